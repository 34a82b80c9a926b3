"""What is taken along holds the labels bit for bit, and comes back by an import."""

import io
import json
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.data.folder import Folder
from outtake.studio.export_files import name_frames, pack
from outtake.studio.export_routes import _as_file
from outtake.studio.strokes import find_runs
from tests.studio.test_import_masks import (  # noqa: F401
    FRAMES,
    SIZE,
    ZIP,
    app,
    labels,
    mask,
    session,
)
from tests.studio.test_web_app import ask


@pytest.fixture
def labelled(session):  # noqa: F811
    drawn = mask(1)
    drawn[10:12, 11:15] = 0
    drawn[20, 3:9] = 255
    for number in (1, 3):
        frame = session.project.labels[number]
        parts = find_runs(np.roll(drawn, number, 1), frame.labels)
        frame.append(0, [{"stroke": 0, "tool": "pixels", "by": "file", "parts": parts}])
    return session


def unpacked(answer):
    assert answer.status == 200, answer.body
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def decode(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_nothing_is_taken_along_where_nothing_is_labelled(app):  # noqa: F811
    for name in ("masks.zip", "cutouts.zip", "labelme.zip", "training_set.zip", "cutout.png"):
        answer = ask(app, f"/api/export/{name}")
        assert answer.status == 400 and b"label" in answer.body and b"\n" not in answer.body


def test_masks_are_labels_where_there_are_any_and_the_networks_elsewhere(app, labelled):  # noqa: F811
    found = unpacked(ask(app, "/api/export/masks.zip"))
    assert [*found] == ["shot_02.png", "shot_04.png", "notes.md"]
    assert b"In 2 of these masks pixels are black that nobody labelled" in found["notes.md"]
    assert np.array_equal(decode(found["shot_02.png"]) == 255, labels(labelled, 1) == 1)

    folder = labelled.project.folder / "proposals"
    folder.mkdir()
    for number in range(FRAMES):
        Image.fromarray(np.full(SIZE, 255, np.uint8)).save(folder / f"{number}.png")
    assert ask(app, "/api/export").json()["masks"] == FRAMES
    found = unpacked(ask(app, "/api/export/masks.zip"))
    assert len(found) == FRAMES and (decode(found["shot_01.png"]) == 255).all()
    wanted = labels(labelled, 3) != 0  # unlabelled pixels are the network's
    assert np.array_equal(decode(found["shot_04.png"]) == 255, wanted)


def test_cutouts_are_transparent_around_the_object(app, labelled):  # noqa: F811
    one = ask(app, "/api/export/cutout.png?frame=3")
    assert one.headers["content-disposition"].startswith(
        'attachment; filename="project_shot_04.png'
    )
    pixels, wanted = decode(one.body), labels(labelled, 3) == 1
    assert np.array_equal(pixels[..., 3] == 255, wanted)
    image = labelled.project.frames.read(3)[..., ::-1]
    assert np.array_equal(pixels[wanted][:, :3], image[wanted]) and not pixels[~wanted].any()
    assert unpacked(ask(app, "/api/export/cutouts.zip"))["shot_04.png"] == one.body
    assert ask(app, "/api/export/cutout.png?frame=9").status == 400


def test_outlines_come_back_by_an_import(app, labelled):  # noqa: F811
    answer = ask(app, "/api/export/labelme.zip")
    before = {number: labels(labelled, number).copy() for number in (1, 3)}
    for number in before:
        labelled.project.labels[number].append(1, [{"tool": "undo"}])
    assert labelled.project.labelled_frames() == []
    sent = ask(app, "/api/masks/import", "POST", answer.body, headers=ZIP)
    assert json.loads(sent.body.splitlines()[-1])["frames"] == [1, 3]
    for number, wanted in before.items():
        assert np.array_equal(labels(labelled, number), wanted)


def test_the_training_set_is_one_that_data_folder_reads(app, labelled, tmp_path):  # noqa: F811
    for name, content in unpacked(ask(app, "/api/export/training_set.zip")).items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    found = Folder(str(tmp_path / "set"), val_fraction=0.5)
    assert found.labels.names == ("background", "object")
    samples = found.samples("train") + found.samples("val")
    assert np.array_equal(
        found.read_mask(next(each for each in samples if each.mask.endswith("shot_04.png"))),
        labels(labelled, 3),
    )


def test_a_zip_holds_one_entry_at_a_time_and_says_what_is_missing():
    def entries():
        for number in range(50):
            yield f"{number}.png", bytes(100_000)
        raise OSError(5, "Input/output error")

    parts = list(pack(entries()))
    assert max(map(len, parts)) < 120_000
    archive = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert len(archive.namelist()) == 51 and b"not whole" in archive.read("problems.md")


@pytest.mark.parametrize("name", ['a"b\r\nX: 1.zip', "ü 日.zip", "../../x", "\udcff.zip", ""])
def test_names_of_downloads_are_harmless(name):
    (value,) = _as_file(name).values()
    value.encode("latin-1")
    assert not set(value) & set("\r\n/\\") and value.count('"') == 2


def test_frames_are_named_by_their_pictures_where_these_are_names():
    assert name_frames(["a.png", "b.c.png"]) == ["a", "b.c"]
    for odd in (["a.png", "A.png"], ["a.png", "a.jpg"], ["x\ny.png"], ["C:x.png"], ["\udcff.png"]):
        assert name_frames(odd) == []


def test_masks_of_the_network_are_in_the_order_of_the_frames(session):  # noqa: F811
    """They have the names of the pictures, which count 1, 2, 10."""
    folder = session.project.folder / "proposals"
    folder.mkdir()
    for number in (10, 2, 1):
        Image.fromarray(np.full(SIZE, 255, np.uint8)).save(folder / f"{number}.png")
    assert [path.stem for path in session.masks._list(folder)] == ["1", "2", "10"]
