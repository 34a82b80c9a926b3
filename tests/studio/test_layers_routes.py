"""What the page asks of layers, and whatever else may be sent to the same routes."""

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.studio.layer_pictures import MAX_UPLOAD_BYTES
from tests.studio.test_web_app import OWN, app, ask, brush, picture, session  # noqa: F401

RAW = OWN | {"content-type": "application/octet-stream"}


@pytest.fixture
def red(app):  # noqa: F811
    file = io.BytesIO()
    Image.fromarray(np.full((6, 10, 4), (250, 10, 20, 255), np.uint8)).save(file, "PNG")
    return ask(app, "/api/layers/pictures", "POST", file.getvalue(), headers=RAW).json()["picture"]


def layer(digest, number=1, **more):
    return {
        "id": number, "picture": digest, "name": "red", "x": 15, "y": 10, "scale_x": 100,
        "scale_y": 100, "angle": 0, "opacity": 100, "group": 0, "shown": True,
    } | more  # fmt: skip


def send(app, revision, layers):  # noqa: F811
    return ask(app, "/api/layers", "POST", {"revision": revision, "layers": layers})


def test_layers_are_kept_undone_and_composed(app, session, red):  # noqa: F811
    answer = send(app, 0, [layer(red, opacity=50)])
    assert answer.status == 200 and answer.json()["pictures"] == {red: {"width": 10, "height": 6}}
    assert send(app, 0, []).status == 412
    frame = session.project.frames.read(1)
    drawn = ask(app, "/api/layers/composition?frame=1")
    assert drawn.headers["x-layers-revision"] == "1"
    assert "composition_000001.png" in drawn.headers["content-disposition"]
    wanted = frame.copy()
    mixed = (frame[7:13, 10:20] + np.array([250.0, 10, 20])) / 2
    wanted[7:13, 10:20] = np.rint(mixed)
    assert np.abs(picture(drawn)[..., ::-1].astype(int) - wanted).max() <= 1
    alone = picture(ask(app, "/api/layers/composition?over_frame=0"))
    assert alone.shape == (24, 32, 4) and (alone[..., 3] > 0).sum() == 60
    undone = ask(app, "/api/layers/undo", "POST", {"revision": 1}).json()
    assert undone["layers"] == [] and undone["can_redo"] == 1
    assert np.array_equal(picture(ask(app, "/api/layers/composition?frame=1"))[..., ::-1], frame)
    assert ask(app, "/api/layers/redo", "POST", {"revision": 2}).json()["can_undo"] == 1


def test_a_cut_out_is_a_download_and_a_layer(app, session):  # noqa: F811
    assert ask(app, "/api/frames/0/cutout").status == 400
    sent = {"revision": 0, "actions": [brush(0, 12, 12)]}
    ask(app, "/api/frames/0/strokes", "POST", sent)
    mask = session.project.labels[0].labels == 1
    answer = ask(app, "/api/frames/0/cutout?classes=1")
    assert 'filename="cutout_000000.png"' in answer.headers["content-disposition"]
    found = picture(answer)[..., [2, 1, 0, 3]]
    assert np.array_equal(found[..., 3] == 255, mask) and not found[~mask].any()
    assert np.array_equal(found[mask][:, :3], session.project.frames.read(0)[mask])
    made = ask(app, "/api/layers/cutout", "POST", {"frame": 0, "classes": [1]}).json()
    assert (made["x"], made["y"], made["width"], made["height"]) == (12.5, 12.5, 5, 5)
    send(app, 0, [layer(made["picture"], x=made["x"], y=made["y"])])
    assert np.array_equal(
        picture(ask(app, "/api/layers/composition"))[..., ::-1], session.project.frames.read(0)
    )
    soft = picture(ask(app, "/api/frames/0/cutout?classes=0,1&feather=3&smooth=1"))
    assert soft.shape == (24, 32, 4)


BODIES = [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 100_000, {}, {"revision": 0},
    {"revision": None, "layers": []}, {"revision": True, "layers": []},
    {"revision": 0.0, "layers": []}, {"revision": -1, "layers": []}, {"revision": 9, "layers": []},
    {"revision": 0, "layers": {}}, {"revision": 0, "layers": "x"}, {"revision": 0, "layers": [1]},
    {"revision": 0, "layers": [[]]}, {"revision": 0, "layers": [{}]},
    {"revision": 10**300, "layers": []},
    {"frame": 9, "classes": [1]}, {"frame": -1, "classes": [1]}, {"frame": "0", "classes": [1]},
    {"frame": 0}, {"frame": 0, "classes": []}, {"frame": 0, "classes": [7]},
    {"frame": 0, "classes": ["1"]}, {"frame": 0, "classes": [True]}, {"frame": 0, "classes": 1},
    {"frame": 0, "classes": [1]}, {"frame": 0, "classes": [1], "feather": 1e9},
    {"frame": 0, "classes": [1], "feather": 10**400}, {"frame": 0, "classes": [1], "smooth": 3},
    b'{"frame": 0, "classes": [1], "feather": NaN}',
]  # fmt: skip


@pytest.mark.parametrize("target", ["", "/undo", "/redo", "/cutout"])
def test_wrong_bodies_are_one_line_and_change_nothing(app, red, target):  # noqa: F811
    for body in BODIES:
        answer = ask(app, f"/api/layers{target}", "POST", body)
        assert answer.status in (400, 412), (body, answer.body)
        assert 0 < len(answer.body) < 400 and b"\n" not in answer.body.strip()
    assert ask(app, "/api/layers").json()["revision"] == 0


WRONG = [None, True, -1, 10**400, 1e308, "1", "../../x", "", [], {}, "\u202e", "x" * 10_000]


def test_each_field_of_a_layer_is_looked_at(app, red):  # noqa: F811
    good = layer(red)
    for key in good:
        for value in WRONG:
            wrong = (key, value) not in [("shown", True), ("x", -1), ("y", -1), ("angle", -1)]
            if not wrong or (key == "name" and value in ("1", "../../x")):
                continue  # text is shown, never opened
            answer = send(app, 0, [{**good, key: value}])
            assert answer.status == 400, (key, value, answer.body)
            assert len(answer.body) < 400 and b"\n" not in answer.body.strip()
        for value in ("NaN", "Infinity", "-Infinity", "1e999"):
            text = json.dumps({"revision": 0, "layers": [{**good, key: "@"}]})
            answer = ask(app, "/api/layers", "POST", text.replace('"@"', value).encode())
            assert answer.status == 400, (key, value)
        assert send(app, 0, [{k: v for k, v in good.items() if k != key}]).status == 400
    many = [layer(red, number) for number in range(2_000)]
    assert send(app, 0, many).status == 400
    assert send(app, 0, [good, good]).status == 400
    assert send(app, 0, [layer("0" * 16)]).status == 400
    assert ask(app, "/api/layers").json()["revision"] == 0
    assert send(app, 0, [good]).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/api/layers/pictures/..", "/api/layers/pictures/../layers.json",
        "/api/layers/pictures/%2e%2e%2flayers", "/api/layers/pictures/0000000000000000",
        "/api/layers/pictures/ABCDEF0123456789", "/api/layers/pictures/a%00",
        "/api/layers/composition?frame=3", "/api/layers/composition?frame=-1",
        "/api/layers/composition?frame=1e9", "/api/layers/composition?over_frame=2",
        "/api/frames/0/cutout?feather=51", "/api/frames/0/cutout?feather=x",
        "/api/frames/0/cutout?smooth=2", "/api/frames/0/cutout?classes=",
        "/api/frames/0/cutout?classes=1,,2", "/api/frames/0/cutout?classes=99",
        "/api/frames/0/cutout?classes=\u0661", "/api/frames/9/cutout", "/api/layers/nothing",
    ],
)  # fmt: skip
def test_addresses_that_lead_nowhere_are_one_line(app, red, target):  # noqa: F811
    answer = ask(app, target)
    assert answer.status in (400, 404, 405)
    assert b"\n" not in answer.body.strip() and b"Traceback" not in answer.body


def test_uploads_are_bounded_and_decoded_with_care(app, session):  # noqa: F811
    def upload(content, **more):
        return ask(app, "/api/layers/pictures", "POST", content, headers=RAW, **more)

    large = cv2.imencode(".png", np.zeros((9000, 8000), np.uint8))[1].tobytes()
    for content in (b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"<svg/>", large):
        answer = upload(content)
        assert answer.status == 400 and b"\n" not in answer.body.strip(), answer.body
    assert upload(b"x", length=10 << 30).status == 413
    assert upload(b"x", length="x").status == 413
    assert upload(b"x" * (MAX_UPLOAD_BYTES + 1), length=1).status == 413
    assert not list((session.project.folder).glob("layers/*"))
    stranger = {key: value for key, value in RAW.items() if key != "origin"}
    assert ask(app, "/api/layers/pictures", "POST", b"x", headers=stranger).status == 403


def test_damaged_layers_leave_the_rest_of_the_studio_as_it_is(app, session):  # noqa: F811
    path = session.project.folder / "layers.json"
    path.write_text("{")
    for target, method in (("", "GET"), ("", "POST"), ("/composition", "GET"), ("/undo", "POST")):
        answer = ask(app, f"/api/layers{target}", method, {"revision": 0, "layers": []})
        assert answer.status == 400 and b"layers.json: is damaged" in answer.body
    assert path.read_text() == "{"
    assert ask(app, "/api/project").status == 200
