"""Masks of other programs become labels, and what cannot is named; nothing is taken by halves."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra studio is not installed")

from outtake.core.errors import OutputError
from outtake.refine.contours import contours_to_labelme, find_contours
from outtake.studio import label_png
from outtake.studio.import_masks import MaskImport
from outtake.studio.match_masks import match_masks
from outtake.studio.project import Project
from outtake.studio.studio_session import StudioSession
from outtake.studio.studio_settings import StudioSettings
from outtake.studio.unpack_masks import unpack_zip
from outtake.studio.web_app import make_app
from tests.studio.test_web_app import OWN, PORT, TOKEN, ask

SIZE, FRAMES = (24, 32), 5
BOX = (slice(6, 18), slice(8, 20))
ZIP = OWN | {"content-type": "application/zip"}


@pytest.fixture
def session(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(FRAMES):
        picture = np.full((*SIZE, 3), 40 * number, np.uint8)
        Image.fromarray(picture).save(tmp_path / f"clip/shot_{number + 1:02d}.png")
    settings = StudioSettings(home=tmp_path, roots=(tmp_path,), import_mib=1)
    session = StudioSession(Project(tmp_path / "project", tmp_path / "clip"), settings)
    yield session
    session.close()


@pytest.fixture
def app(session):
    return make_app(session, TOKEN, PORT)


def mask(value=255, size=SIZE, dtype=np.uint8):
    found = np.zeros(size, dtype)
    found[BOX] = value
    return found


def png(array, mode=None, palette=None):
    image = Image.fromarray(array)
    if palette:
        image.putpalette(palette)
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def packed(files, **kinds):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def send(app, files, query=""):
    body = files if isinstance(files, bytes) else packed(files)
    answer = ask(app, f"/api/masks/import{query}", "POST", body, headers=ZIP)
    assert answer.status == 200, answer.body
    return json.loads(answer.body.splitlines()[-1])


def labels(session, frame):
    return session.project.labels[frame].labels


def test_two_values_are_background_and_object_and_come_as_one_action_that_is_undone(app, session):
    brush = {"stroke": 0, "tool": "brush", "class": 0, "size": 5, "points": [[1, 1]]}
    session.project.labels[1].append(0, [brush])
    before = labels(session, 1).copy()
    found = send(
        app,
        {
            "deep/../../shot_02.png": png(mask()),
            "shot_04.png": png(mask()),
            "wrong.png": png(mask()),
            "shot_03.png": png(mask(size=(48, 64))),
            "__MACOSX/._shot_03.png": b"x",
            "readme.txt": b"hello",
        },
    )
    assert found["taken"] == 2 and found["frames"] == [1, 3] == found["labelled"]
    assert found["problems"] == [
        "shot_03.png: is 64x48, and the clip is 32x24",
        "wrong.png: has the name of no picture of the clip",
    ]
    assert any("1 .txt" in line for line in found["notes"])
    assert np.array_equal(labels(session, 1), mask(1))
    session.project.labels[1].append(2, [{"tool": "undo"}])
    assert np.array_equal(labels(session, 1), before)
    assert send(app, {"shot_04.png": png(mask())})["same"] == 1
    assert not list(session.project.folder.glob(".import-*"))


def matte(colours, alpha):
    return png(np.dstack([np.broadcast_to(np.uint8(colours), (*SIZE, 3)), alpha]))


@pytest.mark.parametrize("shade", [0, 120, 255])
def test_a_matte_in_alpha_is_the_mask(app, session, shade):
    session.project.add_class("ball")
    soft = mask()
    soft[5, 8:20] = 100  # less than half of it is there
    files = {
        "shot_01.png": matte(shade, soft),
        "shot_02.png": matte(shade, mask(0)),
        "shot_03.png": png(mask(1)),
    }
    found = send(app, files, "?white=2")
    assert found["problems"] == [] and found["frames"] == [0, 1, 2]
    assert "alpha is the mask: what is opaque is ball" in found["notes"]
    assert np.array_equal(labels(session, 0), mask(2)) and not labels(session, 1).any()
    assert np.array_equal(labels(session, 2), mask(1)), "it has no alpha"


def test_alpha_beside_colours_that_differ_is_left_out_with_a_line(app, session):
    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[BOX] = 200
    opaque = np.full(SIZE, 255, np.uint8)
    found = send(app, {"shot_01.png": png(np.dstack([colours, opaque]))})
    assert found["taken"] == 0 and not any("transparency" in each for each in found["notes"])
    colours[BOX] = 255
    found = send(app, {"shot_01.png": png(np.dstack([colours, mask()]))})
    assert found["taken"] == 1 and np.array_equal(labels(session, 0), mask(1))
    assert any("transparency of 1 masks is left out" in each for each in found["notes"])


def test_numbers_colours_palettes_and_soft_edges_are_read_as_data_sets_read_them(app, session):
    session.project.add_class("ball")
    ids = mask(1)
    ids[0, :5] = 2
    ids[23, :5] = 255
    assert send(app, {"shot_01.png": png(ids)})["taken"] == 1
    assert np.array_equal(labels(session, 0), ids)

    flat = mask(2)
    palette = [0, 0, 0, 200, 0, 0, 0, 200, 0] + [9] * 750
    assert send(app, {"shot_02.png": png(flat, palette=palette)})["taken"] == 1
    assert np.array_equal(labels(session, 1), flat)

    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[BOX] = (200, 0, 0)
    colours[:3] = (0, 0, 200)
    found = send(app, {"shot_03.png": png(colours)})
    assert "[0, 0, 200] is object, [200, 0, 0] is ball" in found["notes"][0]
    assert labels(session, 2)[0, 0] == 1 and labels(session, 2)[10, 10] == 2

    found = send(app, {"shot_04.png": png(mask())}, "?white=2")
    assert found["notes"] == ["white is ball, black is background"]
    assert np.array_equal(labels(session, 3), mask(2))

    soft = np.zeros(SIZE, np.uint8)
    soft[2:22, 2:30], soft[3:21, 3:29], soft[4:20, 4:28], soft[5:19, 5:27] = 60, 120, 190, 255
    assert any("soft" in line for line in send(app, {"shot_05.png": png(soft)})["notes"])
    assert set(np.unique(labels(session, 4))) == {0, 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (png(mask(7)), "value 7"),
        (png(mask(700, dtype=np.uint16)), "700"),
        (png(mask())[:60], "cannot read shot_01.png"),
        (b"", "no PNG"),
        (b"GIF89a", "no PNG"),
        (png(mask()).replace(b"IDAT", b"IDAX"), "shot_01.png"),
        (png(np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8)), "colours"),
        (png(mask())[:16] + b"\0\0\xff\xff\0\0\xff\xff" + png(mask())[24:], "65535x65535"),
    ],
)
def test_a_bad_mask_is_named_and_nothing_of_it_is_kept(content, said, app, session):
    found = send(app, {"shot_01.png": content, "shot_02.png": png(mask(1))})
    (problem,) = found["problems"]
    assert said in problem and "/" not in problem.replace("is neither", "")
    assert found["frames"] == [1] == session.project.labelled_frames()


def test_outlines_of_labelme_come_back_as_they_were(app, session):
    drawn = mask(1)
    drawn[10:12, 11:15] = 0
    drawn[20, 3:9] = 255
    names = {0: "background", 1: "object", 255: "__ignore__"}
    tree = contours_to_labelme(find_contours(drawn, ignore_index=0), SIZE, names, "x.png")
    found = send(app, {"shot_02.json": json.dumps(tree), "shot_02.png": png(mask())})
    assert found["taken"] == 1 and "1 pictures beside" in found["notes"][0]
    assert np.array_equal(labels(session, 1), drawn)
    tree["shapes"][0]["label"] = "dog"
    small = tree | {"imageHeight": 12}
    deep = "[" * 50_000 + "]" * 50_000
    found = send(
        app,
        {"shot_01.json": json.dumps(tree), "shot_03.json": json.dumps(small), "shot_04.json": deep,
         "shot_05.json": "{}"},
    )  # fmt: skip
    assert found["taken"] == 0 and len(found["problems"]) == 4
    text = "\n".join(found["problems"])
    assert "has the class dog" in text and "is 32x12" in text and "nested too deep" in text


def test_one_mask_for_all_frames(app, session):
    found = send(app, {"logo.png": png(mask())}, "?every_frame=1")
    assert found["taken"] == FRAMES and session.project.labelled_frames() == [0, 1, 2, 3, 4]
    body = packed({"a.png": png(mask()), "b.png": png(mask())})
    answer = ask(app, "/api/masks/import?every_frame=1", "POST", body, headers=ZIP)
    assert answer.status == 400 and b"these are 2" in answer.body


def test_masks_of_a_folder_below_the_roots_and_of_no_other(app, session, tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/shot_01.png").write_bytes(png(mask()))
    secret = tmp_path.parent / "secret"
    secret.mkdir(exist_ok=True)
    (secret / "shot_02.png").write_bytes(png(mask()))
    (tmp_path / "masks/shot_02.png").symlink_to(secret / "shot_02.png")
    (tmp_path / "link").symlink_to(secret)
    found = ask(app, "/api/masks/import-folder", "POST", {"path": str(tmp_path / "masks")})
    last = json.loads(found.body.splitlines()[-1])
    assert last["frames"] == [0] and last["problems"] == ["shot_02.png: is a link, and is left out"]
    inside, outside = f"{tmp_path}/masks", str(secret)
    refused = [outside, str(tmp_path / "link"), f"{inside}/../../secret", "/", "\0", "x" * 5000]
    refused += [f"{tmp_path}/nothing", f"{inside}/shot_01.png", 3, None]
    for path in refused:
        answer = ask(app, "/api/masks/import-folder", "POST", {"path": path})
        assert answer.status == 400 and b"\n" not in answer.body, path
    assert session.project.labelled_frames() == [0]


def test_the_page_can_ask_whether_an_import_is_at_its_end(app, session, monkeypatch):
    def count():
        return ask(app, "/api/masks/imports").json()["running"]

    running, run = [], MaskImport.run

    def run_and_count(self, lock):
        for line in run(self, lock):
            running.append(len(session.imports))
            yield line

    monkeypatch.setattr(MaskImport, "run", run_and_count)
    send(app, {"shot_01.png": png(mask())})
    assert set(running) == {1} and count() == 0
    refused = ask(app, "/api/masks/import", "POST", b"no zip", headers=ZIP)
    assert refused.status == 400 and count() == 0
    (session.settings.home / "masks").mkdir()
    (session.settings.home / "masks/shot_02.png").write_bytes(png(mask()))
    running.clear()
    body = {"path": str(session.settings.home / "masks")}
    assert ask(app, "/api/masks/import-folder", "POST", body).status == 200
    assert set(running) == {1} and count() == 0
    assert ask(app, "/api/masks/import-folder", "POST", {"path": "none"}).status == 400
    session.imports.add(object())
    assert count() == 1


def test_zips_that_lie_are_refused(app, session, tmp_path):
    bomb = packed({"shot_01.png": b"\0" * 3_000_000, "shot_02.png": png(mask())})
    found = send(app, bomb)
    assert found["problems"] == ["shot_01.png: is larger than a mask of this clip can be"]
    assert found["frames"] == [1]
    link = zipfile.ZipInfo("shot_03.png")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert send(app, file.getvalue())["problems"] == ["shot_03.png: is a link, and is left out"]
    (tmp_path / "many.zip").write_bytes(packed({f"{n}.png": b"\0" * 9000 for n in range(9)}))
    (tmp_path / "out").mkdir()
    with pytest.raises(Exception, match="holds more than is taken"):
        unpack_zip(tmp_path / "many.zip", tmp_path / "out", SIZE, 20_000)
    good = packed({"shot_01.png": png(mask())})
    broken = [b"", b"PK", good[:-9], good[30:], b"PK\x05\x06" + b"\xff" * 18, good[:40] + b"\0" * 20
              + good[60:], b"x" * 2_000_000]  # fmt: skip
    for body in broken:
        answer = ask(app, "/api/masks/import", "POST", body, headers=ZIP)
        lines = answer.body.splitlines()
        assert answer.status in (400, 413) or json.loads(lines[-1])["taken"] == 0, body[:40]
    answer = ask(app, "/api/masks/import", "POST", good, headers=ZIP, length=10 << 30)
    assert answer.status == 413
    assert session.project.labelled_frames() == [1]
    assert not list(session.project.folder.glob(".import-*"))


def test_a_full_disk_keeps_what_is_written_whole_and_says_how_much_is_not(
    app, session, monkeypatch
):
    def fail(path, write):
        if "masks/000002" in str(path):
            raise OutputError(f"cannot write {path.name}: No space left on device")
        real(path, write)

    real = label_png.replace_file
    monkeypatch.setattr(label_png, "replace_file", fail)
    found = send(app, {f"shot_{n:02d}.png": png(mask()) for n in range(1, 6)})
    assert found["frames"] == [0, 1] == session.project.labelled_frames()
    assert found["problems"][-1].endswith("No space left on device; 3 masks are not taken")
    assert (labels(session, 2) == 255).all()
    assert not (session.project.folder / "train/images/000002.png").exists()
    assert session.project.labels[2].revision == 0


@pytest.mark.parametrize(
    ("names", "pictures", "expected"),
    [
        (["000000.png", "000004.png"], [], [0, 4]),
        (["m1.png", "m2.png", "m3.png", "m4.png", "m5.png"], [], [0, 1, 2, 3, 4]),
        (["m1.png", "m2.png"], [], [1, 2]),
        (["7.png", "a.png"], [], ["is of frame 7", "has no number"]),
        (["a_0007.png"], [f"IMG_{n:04d}.jpg" for n in range(5, 10)], [2]),
        (["000002.png"], [f"IMG_{n:04d}.jpg" for n in range(5, 10)], [2]),
        (["b.png", "c.png"], ["a.jpg", "b.jpg", "d.jpg", "e.jpg", "f.jpg"], [1, "has the name"]),
        (["1.png", "x_1.png"], [], [1, "is a second mask of frame 1"]),
    ],
)
def test_masks_find_their_frames(names, pictures, expected):
    found, _ = match_masks(names, 5, pictures)
    for one, other in zip(found, expected, strict=True):
        assert one == other if isinstance(other, int) else str(one).startswith(other)


def test_labels_of_all_frames_need_their_pictures_and_it_is_said_before(app, session):
    said = ask(app, "/api/masks/every-frame").json()
    assert said["frames"] == FRAMES and said["free"] > said["bytes"] > 0
    assert session.project.labelled_frames() == []
    session.project.labels[2].append(0, [{"stroke": 0, "tool": "fill", "class": 1,
                                          "points": [[0, 0]]}])  # fmt: skip
    assert ask(app, "/api/masks/every-frame").json()["bytes"] < said["bytes"]


def test_a_mask_is_packed_into_few_bytes(tmp_path):
    labels = np.full((1080, 1920), 255, np.uint8)
    y, x = np.mgrid[:1080, :1920]
    labels[(x - 900) ** 2 + (y - 500) ** 2 < 200**2] = 1
    assert len(label_png.encode_labels(labels)) < 8000
