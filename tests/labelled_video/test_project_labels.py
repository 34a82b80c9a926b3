"""Labels of a project folder for a network that may know other classes in another order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError, OuttakeError
from outtake.core.labels import LabelSpace
from outtake.labelled_video.project_labels import read_project_labels
from outtake.video.read.inputs import VideoInput, expand_inputs

SIZE = (20, 30)
NETWORK = LabelSpace.from_names(("road", "cat", "background", "dog"))


def write_frames(folder: Path, shade: int) -> VideoInput:
    folder.mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full((*SIZE, 3), shade + number, np.uint8)).save(
            folder / f"{number}.png"
        )
    return expand_inputs(folder)[0]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of three frames, of which the second is labelled."""
    root = tmp_path / "clip.outtake"
    write_frames(tmp_path / "frames", 40)
    (root / "train/masks").mkdir(parents=True)
    labels = np.zeros(SIZE, np.uint8)
    labels[:, 10:20], labels[:, 20:] = 1, 255
    Image.fromarray(labels).save(root / "train/masks/000001.png")
    (root / "project.json").write_text(json.dumps({"source": "../frames"}))
    (root / "classes.yaml").write_text("names: [background, dog, fish]\nignore: 255\n")
    return root


def read(project: Path, name: str = "frames", size: tuple[int, int] = SIZE):
    source = expand_inputs(project.parent / name)[0]
    return read_project_labels(project, source, size, NETWORK)


def test_classes_are_found_by_their_names(project: Path) -> None:
    found = read(project)
    assert list(found) == [1]
    assert np.unique(found[1][:, :10]) == 2 and np.unique(found[1][:, 10:20]) == 3
    assert np.unique(found[1][:, 20:]) == 255


def test_the_same_clip_elsewhere_is_the_same_clip(project: Path) -> None:
    write_frames(project.parent / "copy", 40)
    assert np.array_equal(read(project, "copy")[1], read(project)[1])


def test_a_project_without_labels_has_none(project: Path) -> None:
    (project / "train/masks/000001.png").unlink()
    assert read(project) == {}


def test_what_cannot_be_is_refused_in_a_line(project: Path) -> None:
    write_frames(project.parent / "other", 90)
    with pytest.raises(ConfigError, match="are those of another clip than other"):
        read(project, "other")
    with pytest.raises(ConfigError, match="is 30x20, and frames are 31x20"):
        read(project, size=(20, 31))
    source = expand_inputs(project.parent / "frames")[0]
    with pytest.raises(ConfigError, match="is no project; give a folder with project"):
        read_project_labels(project / "train", source, SIZE, NETWORK)
    Image.fromarray(np.full(SIZE, 2, np.uint8)).save(project / "train/masks/000002.png")
    with pytest.raises(ConfigError, match="shows 'fish', which the network does not know: road, c"):
        read(project)
    (project / "train/masks/1.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"1\.png: has the number of 000001\.png; leave one"):
        read(project)
    (project / "train/masks/1.png").rename(project / "train/masks/first.png")
    with pytest.raises(ConfigError, match=r"first\.png: has no number in its name"):
        read(project)
    (project / "train/masks/first.png").unlink()
    (project / "train/masks/000002.png").write_bytes(b"no picture")
    with pytest.raises(OuttakeError, match="000002"):
        read(project)
