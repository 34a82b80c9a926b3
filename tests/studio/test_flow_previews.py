"""Previews of carried labels are computed aside, and none outlives the labels it came from."""

import time

import pytest
from PIL import Image

from outtake.studio import flow_previews
from outtake.studio.flow_previews import FlowPreviews, Gap, find_gap
from outtake.studio.project import Project
from outtake.studio.strokes import find_runs
from tests.studio.test_flow_carrying import COUNT, SIZE, frame, overlap


@pytest.fixture
def project(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(COUNT):
        Image.fromarray(frame(number)[0]).save(tmp_path / "clip" / f"{number}.png")
    with Project(tmp_path / "project", tmp_path / "clip") as project:
        yield project


def label(project, number):
    """Label a frame as it is, all at once."""
    labels = project.labels[number]
    parts = find_runs(frame(number)[1], labels.labels)
    action = {"stroke": labels.history.last_stroke + 1, "tool": "pixels", "by": "file"}
    labels.append(labels.revision, [{**action, "parts": parts}])


def wait_for(previews, number):
    for _ in range(500):
        found = previews.find(number)
        if found is not None:
            return found
        assert previews.is_coming(number)
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_gaps():
    assert find_gap([], 3, 10) is None and find_gap([3], 3, 10) is None
    assert find_gap([2, 8], 5, 10) == Gap(2, 8, 2, 8)
    assert find_gap([2], 5, 10) == Gap(2, None, 2, 9)
    assert find_gap([200], 160, 1000) == Gap(None, 200, 152, 200)
    assert find_gap([0, 200], 100, 1000) is None
    assert find_gap([0, 200], 40, 1000) == Gap(0, None, 0, 48)


def test_previews_follow_the_labels(project, monkeypatch):
    monkeypatch.setattr(flow_previews, "_QUIET_S", 0.0)
    previews = FlowPreviews(project)
    assert previews.find(2) is None and not previews.is_coming(2)
    label(project, 0)
    assert overlap(wait_for(previews, 2), frame(2)[1]) > 0.8
    wait_for(previews, 1)  # the last that is computed
    before = sorted(path.name for path in (project.folder / "flow").iterdir())
    label(project, COUNT - 1)
    assert previews.find(2) is None  # those of the frame before alone are no longer shown
    assert overlap(wait_for(previews, 2), frame(2)[1]) > 0.8
    wait_for(previews, 1)
    after = sorted(path.name for path in (project.folder / "flow").iterdir())
    assert not set(before) & set(after[:-1]) and len(after) <= COUNT
    assert project.labelled_frames() == [0, COUNT - 1]
    assert wait_for(previews, 2).shape == SIZE
    previews.close()
    again = FlowPreviews(project)
    assert again.find(2) is not None and again._thread is None  # it was kept
    again.close()


def test_going_to_and_fro_between_gaps_that_overlap_computes_each_once(project, monkeypatch):
    """The first frame is in reach of 1 and 2 alone, the last one of 2 and on: three gaps."""
    monkeypatch.setattr(flow_previews, "_QUIET_S", 0.0)
    monkeypatch.setattr(flow_previews, "REACH", COUNT - 3)
    begun = []
    carry = flow_previews.carry_labels
    monkeypatch.setattr(
        flow_previews, "carry_labels", lambda *given: begun.append(1) or carry(*given)
    )
    previews = FlowPreviews(project)
    label(project, 0)
    label(project, COUNT - 1)
    ways = {find_gap([0, COUNT - 1], number, COUNT) for number in range(1, COUNT - 1)}
    assert len(ways) == 3
    for _ in range(3):
        for number in range(1, COUNT - 1):
            wait_for(previews, number)
    assert len(begun) == 3 and len(list((project.folder / "flow").iterdir())) == COUNT - 2
    previews.close()


def test_it_is_cancelled_when_the_labels_change_and_a_damaged_mask_fails_once(project, monkeypatch):
    monkeypatch.setattr(flow_previews, "_QUIET_S", 0.0)
    previews = FlowPreviews(project)
    label(project, 0)
    stamps = previews._stamps()
    gap = find_gap([0], 3, COUNT)
    assert not previews._is_over(gap, stamps)
    label(project, 2)
    assert previews._is_over(gap, stamps)
    (project.folder / "train/masks/000002.png").write_bytes(b"no picture")
    assert previews.find(4) is None
    for _ in range(500):
        if not previews.is_coming(4):
            break
        time.sleep(0.01)
    assert not previews.is_coming(4)
    previews.close()
