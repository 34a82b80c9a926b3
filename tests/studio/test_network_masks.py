"""What a network has said of all frames is offered as the classes that it has said."""

import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.core.errors import ConfigError, UnreadableImageError
from outtake.programs.removal_inputs import read_configs
from outtake.studio.export_files import FrameExport
from outtake.studio.job_commands import build_command
from outtake.studio.project import Project
from outtake.studio.studio_session import StudioSession

SIZE, FRAMES = (24, 32), 2
CAR, PERSON = (slice(2, 8), slice(2, 8)), (slice(10, 20), slice(10, 20))


@pytest.fixture
def make(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(FRAMES):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / f"clip/{number}.png")
    opened = []

    def make(*classes):
        project = Project(tmp_path / "project", tmp_path / "clip", ["background", *classes])
        opened.append(StudioSession(project))
        weights = project.folder / "runs/round_001/checkpoints"
        weights.mkdir(parents=True)
        (weights / "last.ckpt").touch()
        return opened[0]

    yield make
    opened[0].close()


def write(folder, *boxes, frames=FRAMES):
    folder.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(SIZE, np.uint8)
    for box in boxes:
        mask[box] = 255
    for number in range(frames):
        Image.fromarray(mask).save(folder / f"{number}.png")


def test_each_class_is_masked_by_itself_and_offered_as_itself(make):
    session = make("car", "a: person, \U0001f600")
    command = build_command(session.project, "propose", {})
    assert not any("remove=" in each for each in command.arguments)
    jobs = read_configs(compose("infer_video", list(command.arguments[1:])))
    root = session.project.folder.resolve() / "proposals"
    assert [(job.output, list(job.remove)) for job in jobs] == [
        (str(root / "1"), ["car"]), (str(root / "2"), ["a: person, \U0001f600"]),
    ]  # fmt: skip
    assert not any(job.mask.fill_holes or job.mask.dilate for job in jobs)
    assert {str(job.input) for job in jobs} == {str(session.project.source)}
    assert command.discards == root

    write(root / "2", PERSON)
    found = session.propose(0, "network", 100)
    assert (found[PERSON] == 2).all() and found[0, 0] == 255, "of cars it was not asked"
    write(root / "1", CAR, frames=1)
    assert (session.propose(1, "network", 100)[CAR] == 255).all(), "cars are not ready"
    write(root / "1", CAR)
    found = session.propose(1, "network", 100)
    assert (found[PERSON] == 2).all() and (found[CAR] == 1).all() and found[0, 0] == 0

    session.project.add_class("ball")
    assert session.propose(1, "network", 100)[0, 0] == 255
    export = FrameExport(session.project, session.masks.read, session.lock)
    mask = export.object_mask(0)
    assert mask[CAR].all() and mask[PERSON].all() and mask.sum() == 36 + 100
    with pytest.raises(ConfigError, match="remove: background is the background"):
        build_command(session.project, "propose", {"remove": ["background"]})


def test_one_mask_of_several_classes_is_not_offered(make):
    session = make("object")
    command = build_command(session.project, "propose", {})
    assert "remove=[object]" in command.arguments
    with pytest.raises(ConfigError, match="not looked at the clip yet"):
        session.propose(0, "network", 100)
    write(session.project.folder / "proposals", CAR)
    found = session.propose(0, "network", 100)
    assert (found[CAR] == 1).all() and found[0, 0] == 0 and session.masks.exist()
    session.project.add_class("person")
    assert not session.masks.exist()
    with pytest.raises(ConfigError, match="do not tell classes apart; make them again") as refused:
        session.propose(0, "network", 100)
    assert "\n" not in str(refused.value)


def test_a_mask_of_another_size_is_named(make):
    session = make("object")
    write(session.project.folder / "proposals", CAR)
    (session.project.folder / "proposals/1.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImageError, match=r"1\.png: is no mask of this frame"):
        session.masks.read(1)
