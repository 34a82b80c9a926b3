"""A project of one picture: usual kinds are opened, the object is taken out without a network."""

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.config.compose import compose
from outtake.core.errors import ConfigError, VideoError
from outtake.pictures.read_picture import read_picture
from outtake.programs.predict import predict
from outtake.studio.project import Project
from outtake.studio.still_picture import (
    build_picture_removal,
    find_picture,
    find_still_result,
    list_conversions,
)
from outtake.studio.studio_session import StudioSession
from outtake.studio.web_app import make_app
from tests.studio.test_web_app import PORT, TOKEN, ask, picture


@pytest.fixture
def scene():
    """A red disc on a ramp, uint8 (60, 90, 3)."""
    image = np.zeros((60, 90, 3), np.uint8)
    image[..., 1], image[..., 2] = np.arange(90), np.arange(60)[:, None] + 60
    cv2.circle(image, (40, 30), 9, (240, 20, 20), cv2.FILLED)
    return image


def disc(value=1):
    return {"stroke": value, "tool": "brush", "class": value, "size": 22, "points": [[40, 30]]}


def save(scene, path):
    """Write the scene as the kind of picture that the name asks for."""
    image, options = Image.fromarray(scene), {}
    if path.name.startswith("turned"):
        exif = Image.Exif()
        exif[274] = 6
        image, options = Image.fromarray(np.rot90(scene)), {"exif": exif}
    if path.name.startswith("alpha"):
        alpha = np.full(scene.shape[:2], 255, np.uint8)
        alpha[:10] = 90
        image = Image.fromarray(np.dstack([scene, alpha]))
    if path.name.startswith("grey"):
        image = image.convert("L")
    if path.name.startswith("deep"):
        path.write_bytes(cv2.imencode(".png", scene[..., ::-1].astype(np.uint16) * 257)[1])
        return
    image.save(path, **options)


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("photo.png", []), ("photo.jpg", []), ("photo.webp", []), ("photo.tif", []),
        ("photo.bmp", []), ("grey.png", []), ("turned.jpg", []),
        ("alpha.png", ["it is transparent in places", "a removal keeps"]),
        ("deep.png", ["its 16 bits are shown as 8", "a removal keeps"]),
    ],
)  # fmt: skip
def test_a_picture_is_a_clip_of_one_frame(scene, tmp_path, name, notes):
    save(scene, tmp_path / name)
    for source in (tmp_path / name, None):  # new, and opened again
        with Project(tmp_path / "project", source) as project:
            assert project.frames.count == 1 and project.size == (60, 90)
            frame = project.frames.read(0).astype(int)
            assert find_picture(project) == (tmp_path / name).resolve()
            said = list_conversions(project)
    assert len(said) == len(notes)
    assert all(line.startswith(begun) for line, begun in zip(said, notes, strict=True))
    wanted = np.asarray(Image.fromarray(scene).convert("L"))[..., None] if "grey" in name else scene
    assert np.abs(frame - wanted).mean() < (0.01 if name.endswith("png") else 12)


def test_a_picture_that_is_too_large_or_none_is_one_line(tmp_path):
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((8200, 8200), np.uint8))
    (tmp_path / "none.png").write_bytes(b"nothing")
    for name in ("large.png", "none.png", "missing.jpg"):
        with pytest.raises(VideoError) as error:
            Project(tmp_path / "project", tmp_path / name)
        assert name in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize("name", ["turned.jpg", "deep.png"])
def test_the_object_goes_and_the_rest_stays(scene, tmp_path, name):
    save(scene, tmp_path / name)
    with Project(tmp_path / "project", tmp_path / name) as project:
        project.labels[0].append(0, [disc()])
        assert find_still_result(project) is None
        command = build_picture_removal(project, {})
        given = list(command.arguments)
        assert given[0] == "predict" and "masks.ids=[1]" in given and "remover=exemplar" in given
        predict(compose("predict", [f"input={given[1]}", f"output={given[2]}", *given[3:]]))
        result = find_still_result(project)
        mask = project.labels[0].labels == 1
    made = read_picture(result)
    before = read_picture(tmp_path / name)
    assert result.name == name and made.samples.dtype == before.samples.dtype
    near = cv2.dilate(mask.astype(np.uint8), np.ones((17, 17))) > 0
    far = np.abs(made.image.astype(int) - before.image)
    assert far[~near].max() <= (0 if name.endswith("png") else 12)
    ramp = np.zeros((60, 90, 3), int)
    ramp[..., 1], ramp[..., 2] = np.arange(90), np.arange(60)[:, None] + 60
    assert np.abs(made.image - ramp)[mask].mean() < 12


def test_what_cannot_be_removed_is_said_first(scene, tmp_path):
    save(scene, tmp_path / "photo.png")
    with Project(tmp_path / "project", tmp_path / "photo.png") as project:
        with pytest.raises(ConfigError, match="mark the object"):
            build_picture_removal(project, {})
        project.labels[0].append(0, [disc(0)])
        with pytest.raises(ConfigError, match="mark the object"):
            build_picture_removal(project, {})
        for wrong in (
            {"remover": "clean_plate"}, {"remover": "x; rm"}, {"remove": "object"},
            {"remove": ["nothing"]}, {"remove": [3]}, {"remove": []}, {"output": "/etc"},
        ):  # fmt: skip
            with pytest.raises(ConfigError):
                build_picture_removal(project, wrong)


def test_the_page_is_told_and_gets_the_result_as_a_layer(scene, tmp_path, monkeypatch):
    save(scene, tmp_path / "photo.png")
    session = StudioSession(Project(tmp_path / "project", tmp_path / "photo.png"))
    try:
        app = make_app(session, TOKEN, PORT)
        found = ask(app, "/api/still").json()
        assert found["picture"] and not found["result"] and "inpaint" in found["removers"]
        assert ask(app, "/api/still/result").status == 404
        assert ask(app, "/api/layers/result", "POST", {}).status == 400
        started = []
        monkeypatch.setattr(session.jobs, "start", started.append)
        ask(app, "/api/frames/0/strokes", "POST", {"revision": 0, "actions": [disc()]})
        assert ask(app, "/api/jobs", "POST", {"kind": "remove"}).status == 200
        assert started[0]().arguments[0] == "predict"
        path = session.project.folder / "results/removed/photo.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(scene[::-1]).save(path)
        assert np.array_equal(picture(ask(app, "/api/still/result"))[..., ::-1], scene[::-1])
        made = ask(app, "/api/layers/result", "POST", {}).json()
        assert (made["width"], made["height"]) == (90, 60)
    finally:
        session.close()
