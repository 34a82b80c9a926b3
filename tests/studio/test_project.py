"""A project folder: made, labelled, killed, changed by others, and opened again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import (
    ConfigError,
    DataRootError,
    OutputError,
    OuttakeError,
    UnreadableImageError,
)
from outtake.labelled_video.project_folder import find_clip_files
from outtake.studio.frame_labels import RevisionError
from outtake.studio.project import Project

UNDO, REDO = {"tool": "undo"}, {"tool": "redo"}


def brush(stroke, x, y, value=1):
    return {"stroke": stroke, "tool": "brush", "class": value, "size": 9, "points": [[x, y]]}


@pytest.fixture
def clip(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (24, 32, 3)).astype(np.uint8)).save(
            folder / f"{number}.png"
        )
    return folder


@pytest.fixture
def folder(tmp_path, clip):
    folder = tmp_path / "project"
    Project(folder, clip).close()
    return folder


def mask(folder, number=3):
    return cv2.imread(str(folder / f"train/masks/{number:06d}.png"), cv2.IMREAD_UNCHANGED)


def test_a_project_is_a_data_set_from_its_first_stroke(folder, clip):
    assert "names:" in (folder / "classes.yaml").read_text()
    with Project(folder) as project:
        labels = project.labels[3]
        labels.append(0, [brush(0, 10, 10), brush(1, 20, 12, 0)])
        assert project.labelled_frames() == [3]
        assert np.array_equal(mask(folder), labels.labels)
        found = cv2.imread(str(folder / "train/images/000003.png"))[..., ::-1]
        assert np.array_equal(found, project.frames.read(3))
    files = find_clip_files(str(folder), None, None, None, None)
    assert Path(files.video).samefile(clip) and files.first == 0


def test_undo_goes_on_after_the_project_is_opened_again(folder):
    with Project(folder) as project:
        project.labels[3].append(0, [brush(0, 10, 10), brush(1, 20, 12, 0), UNDO])
        first = project.labels[3].labels.copy()
    with Project(folder) as project:
        labels = project.labels[3]
        assert labels.revision == 3 and np.array_equal(labels.labels, first)
        labels.append(3, [REDO])
        assert (labels.labels == 0).any()
        labels.append(4, [UNDO, UNDO])
        assert project.labelled_frames() == []  # nothing is left to train on
        assert not (folder / "train/images/000003.png").exists()
        replayed = labels.history.copy()
        assert [a["tool"] for a in labels.actions] == ["brush", "brush", "undo", "undo"]
        assert len(replayed.undone) == 2


def test_all_actions_come_or_none(folder):
    with Project(folder) as project:
        labels = project.labels[3]
        with pytest.raises(ConfigError, match="nothing to redo"):
            labels.append(0, [brush(0, 10, 10), REDO])
        assert labels.revision == 0 and (labels.labels == 255).all()
        labels.append(0, [brush(0, 10, 10)])
        with pytest.raises(RevisionError, match="revision 1, not 0"):
            labels.append(0, [brush(1, 10, 10)])


def test_a_line_that_was_cut_off_and_a_mask_that_was_not_written_are_made_good(folder):
    with Project(folder) as project:
        project.labels[3].append(0, [brush(0, 10, 10)])
        before = mask(folder)
        project.labels[3].append(1, [brush(1, 25, 5, 0)])
        wanted = project.labels[3].labels.copy()
    log, png = folder / "strokes/000003.jsonl", folder / "train/masks/000003.png"
    cv2.imwrite(str(png), before)
    log.write_bytes(log.read_bytes() + b'{"stroke": 2, "tool": "br')
    with Project(folder) as project:
        assert np.array_equal(project.labels[3].labels, wanted)
    assert np.array_equal(mask(folder), wanted)
    assert log.read_bytes().endswith(b"}\n")


def test_what_another_program_painted_becomes_an_action_that_can_be_undone(folder):
    with Project(folder) as project:
        project.labels[3].append(0, [brush(0, 10, 10)])
        before = project.labels[3].labels.copy()
    painted = before.copy()
    painted[:4] = 0
    path = folder / "train/masks/000003.png"
    cv2.imwrite(str(path), painted)
    with Project(folder) as project:
        labels = project.labels[3]
        assert np.array_equal(labels.labels, painted) and labels.revision == 2
        labels.append(2, [UNDO])
        assert np.array_equal(labels.labels, before)


@pytest.mark.parametrize("newer", ["mask", "log"])
def test_an_outside_edit_is_kept_whichever_file_is_newer(folder, newer):
    with Project(folder) as project:
        project.labels[3].append(0, [brush(0, 10, 10)])
        project.labels[3].append(1, [brush(1, 25, 5, 0), UNDO])
        first = project.labels[3].labels.copy()
    log, png = folder / "strokes/000003.jsonl", folder / "train/masks/000003.png"
    painted = first.copy()
    painted[:4] = 0
    cv2.imwrite(str(png), painted)
    for path in (log, png):
        later = path is (log if newer == "log" else png)
        os.utime(path, (1000 + later, 1000 + later))
    with Project(folder) as project:
        labels = project.labels[3]
        assert np.array_equal(labels.labels, painted)
        labels.append(labels.revision, [UNDO])
        assert np.array_equal(labels.labels, first)


def test_a_mask_that_was_cut_off_is_drawn_again_from_the_strokes(folder):
    with Project(folder) as project:
        project.labels[3].append(0, [brush(0, 10, 10), brush(1, 20, 12, 0)])
        wanted = project.labels[3].labels.copy()
    path = folder / "train/masks/000003.png"
    cut_off = path.read_bytes()[:50]
    path.write_bytes(cut_off)
    with Project(folder) as project:
        (said,) = project.mend_masks()
        assert "frame 3: its mask could not be read" in said
        assert "damaged/000003.png" in said and (project.labels[3].labels == wanted).all()
        assert project.mend_masks() == []
    assert (folder / "damaged/000003.png").read_bytes() == cut_off
    assert (mask(folder) == wanted).all()


def test_files_that_are_the_mask_of_no_frame_do_not_count(folder):
    with Project(folder) as project:
        project.labels[3].append(0, [brush(0, 10, 10), brush(1, 20, 12, 0)])
        for name in ("000005.png", "999999.png", "3.png", "\u0663.png", "notes.png"):
            path = folder / "train/masks" / name
            path.write_bytes(b"x")
            assert project.labelled_frames() == [3]
            with pytest.raises(ConfigError, match="is the mask of no frame; frames are 0 to 4"):
                project.mend_masks()
            path.unlink()


def test_a_class_that_could_not_be_written_is_none(folder, monkeypatch):
    with Project(folder) as project:
        for name in ("replace_text", "write_json"):
            monkeypatch.setattr(f"outtake.studio.project.{name}", fail_to_write)
            for change in (
                lambda: project.add_class("ball"),
                lambda: project.change_class(1, "cat", "#00ff00"),
            ):
                with pytest.raises(OutputError, match="No space left"):
                    change()
            assert project.classes == ["background", "object"]
            assert project.colours == [None, None]
            monkeypatch.undo()
            assert "[" + '"background", "object"]' in (folder / "classes.yaml").read_text()
        project.add_class("ball")
    with Project(folder) as project:
        assert project.classes == ["background", "object", "ball"]


def fail_to_write(path, *_):
    raise OutputError(f"cannot write {path}: No space left on device")


def test_masks_that_cannot_be_are_one_line(folder):
    (folder / "train/masks").mkdir(parents=True)
    path = folder / "train/masks/000001.png"
    for content, said in (
        (np.zeros((24, 31), np.uint8), "31x24"), (np.full((24, 32), 7, np.uint8), "holds 7"),
        (np.zeros((24, 32), np.uint16), "one channel of 8 bits"),
        (np.zeros((24, 32, 3), np.uint8), "one channel of 8 bits"),
    ):  # fmt: skip
        cv2.imwrite(str(path), content)
        with Project(folder) as project, pytest.raises(UnreadableImageError, match=said):
            project.labels[1]
    path.write_bytes(path.read_bytes()[:30])
    with Project(folder) as project:
        for look in (project.mend_masks, lambda: project.labels[1]):
            with pytest.raises(UnreadableImageError, match="or remove it to label the frame anew"):
                look()


def test_it_is_open_once(folder):
    with Project(folder):
        other = subprocess.run(
            [sys.executable, "-c", "import sys; from pathlib import Path; "
             "from outtake.studio.project import Project; Project(Path(sys.argv[1]))", folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        owner = int((folder / ".lock-owner").read_text())
        assert f"is open in process {owner}; close it there" in other.stderr
    Project(folder).close()


def test_another_clip_in_its_place_is_noticed(folder, clip):
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(clip / "2.png")
    (clip / "9.png").write_bytes((clip / "2.png").read_bytes())
    (clip / "4.png").unlink()
    with pytest.raises(DataRootError, match="is not the clip that was labelled"):
        Project(folder)


def test_bad_beginnings_are_one_line(tmp_path, clip, folder):
    with pytest.raises(ConfigError, match=r"no project\.json; name a clip"):
        Project(tmp_path / "new")
    with pytest.raises(OutputError, match="holds something else"):
        Project(clip, clip)
    with pytest.raises(ConfigError, match="names must differ"):
        Project(tmp_path / "new", clip, ["a", "a"])
    assert not (tmp_path / "new").exists()
    (folder / "project.json").write_text(json.dumps({"format": 9, "source": "x"}))
    with pytest.raises(DataRootError, match="format 9"):
        Project(folder)


def test_a_class_is_added_behind_the_others(folder):
    with Project(folder) as project:
        with pytest.raises(ConfigError, match="class: must be"):
            project.labels[0].append(0, [brush(0, 4, 4, 2)])
        project.add_class('a "ball": [1]')
        project.labels[0].append(0, [brush(0, 4, 4, 2)])
    with Project(folder) as project:
        assert project.classes == ["background", "object", 'a "ball": [1]']
        assert (project.labels[0].labels == 2).any()


def test_a_clip_that_was_moved_is_named_once(folder, clip):
    clip.rename(clip.with_name("moved"))
    with pytest.raises(OuttakeError, match="clip"):
        Project(folder)
    Project(folder, clip.with_name("moved")).close()
    Project(folder).close()
    record = json.loads((folder / "project.json").read_text())
    assert Path(record["source"]["path"]) == clip.with_name("moved").resolve()
