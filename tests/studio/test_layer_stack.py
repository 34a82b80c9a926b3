"""The file of layers: undo and redo across processes, whole or not at all, damage in one line."""

import json

import numpy as np
import pytest

from outtake.core.errors import ConfigError, DataRootError, OutputError
from outtake.studio.frame_labels import RevisionError
from outtake.studio.layer_pictures import LayerPictures
from outtake.studio.layer_stack import MAX_LAYERS, Layers


def layer(number, picture, **more):
    return {
        "id": number, "picture": picture, "name": "a", "x": 5.0, "y": 5, "scale_x": 100,
        "scale_y": 100, "angle": 0, "opacity": 100, "group": 0, "shown": True,
    } | more  # fmt: skip


@pytest.fixture
def picture(tmp_path):
    return LayerPictures(tmp_path).add(np.full((4, 6, 4), 99, np.uint8))


@pytest.fixture
def layers(tmp_path, picture):
    # As when a page has the project open: what is not used yet is kept until the next opening.
    made = Layers(tmp_path)
    assert made.pictures.add(np.full((4, 6, 4), 99, np.uint8)) == picture
    return made


def test_steps_go_back_and_forth_across_processes(tmp_path, layers, picture):
    first, second = [layer(1, picture)], [layer(1, picture, x=9), layer(2, picture, group=3)]
    layers.replace(0, first)
    layers.replace(1, second)
    again = Layers(tmp_path)
    assert again.layers == second and again.revision == 2
    again.undo(2)
    assert Layers(tmp_path).layers == first
    again.undo(3)
    again.redo(4)
    assert Layers(tmp_path).layers == first
    again.replace(5, [])
    with pytest.raises(ConfigError, match="nothing to redo"):
        again.redo(6)
    again.undo(6)
    assert again.layers == first and again.describe()["pictures"] == {
        picture: {"width": 6, "height": 4}
    }


def test_another_page_is_told_and_equal_layers_are_no_step(layers, picture):
    layers.replace(0, [layer(1, picture)])
    with pytest.raises(RevisionError):
        layers.replace(0, [])
    layers.replace(1, [layer(1, picture)])
    assert layers.revision == 1


def test_steps_are_bounded_and_unused_pictures_go(tmp_path, layers, picture, monkeypatch):
    monkeypatch.setattr("outtake.studio.layer_stack.MAX_STEPS", 9)
    other = layers.pictures.add(np.zeros((2, 2, 4), np.uint8))
    for number in range(14):
        layers.replace(number, [layer(1, picture, x=number)])
    assert layers.describe()["can_undo"] == 9
    assert (tmp_path / f"layers/{other}.png").exists()
    Layers(tmp_path)
    assert [path.stem for path in (tmp_path / "layers").glob("*.png")] == [picture]


def test_a_full_disk_leaves_what_was_there(tmp_path, layers, picture, monkeypatch):
    layers.replace(0, [layer(1, picture)])
    before = (tmp_path / "layers.json").read_bytes()

    def fail(*_):
        raise OutputError("cannot write layers.json: no space left")

    monkeypatch.setattr("outtake.studio.layer_stack.replace_text", fail)
    with pytest.raises(OutputError):
        layers.replace(1, [])
    assert layers.layers == [layer(1, picture)] and layers.revision == 1
    assert (tmp_path / "layers.json").read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", -1), ("id", True), ("id", 1.0), ("id", 10**30), ("group", None), ("x", "5"),
        ("x", float("nan")), ("y", float("inf")), ("x", 1e9), ("y", 10**400), ("scale_x", 0),
        ("scale_y", -100), ("angle", 361), ("opacity", 101), ("opacity", -0.1), ("shown", 1),
        ("name", ""), ("name", "a\nb"), ("name", "x" * 81), ("name", None), ("picture", "../a"),
        ("picture", "0" * 16), ("picture", 3), ("more", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(layers, picture, key, value):
    with pytest.raises((ConfigError, DataRootError)) as error:
        layers.replace(0, [layer(1, picture) | {key: value}])
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
    assert layers.layers == [] and layers.revision == 0


def test_lists_are_bounded(layers, picture):
    many = [layer(number, picture) for number in range(MAX_LAYERS + 1)]
    for wrong in (many, [layer(1, picture)] * 2, {}, None, "x", [[]], [None]):
        with pytest.raises(ConfigError):
            layers.replace(0, wrong)
    layers.replace(0, many[:-1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: "", lambda record: "{", lambda record: "[]", lambda record: "\0" * 50,
        lambda record: json.dumps(record | {"format": 9}),
        lambda record: json.dumps(record | {"revision": -1}),
        lambda record: json.dumps(record | {"layers": [{}]}),
        lambda record: json.dumps(record | {"before": [record["layers"]] * 300}),
        lambda record: json.dumps({"format": 1}),
        lambda record: json.dumps(record).replace("100", "NaN"),
        lambda record: json.dumps(record)[:-30],
        lambda record: "[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line_and_stays(tmp_path, layers, picture, damage):
    layers.replace(0, [layer(1, picture)])
    path = tmp_path / "layers.json"
    path.write_text(damage(json.loads(path.read_text())))
    before = path.read_bytes()
    with pytest.raises(DataRootError, match=r"layers\.json: is damaged .*move it away"):
        Layers(tmp_path)
    assert path.read_bytes() == before and (tmp_path / f"layers/{picture}.png").exists()


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"GIF89a" + b"\0" * 40, None])
def test_a_damaged_picture_is_one_line(tmp_path, layers, picture, content):
    layers.replace(0, [layer(1, picture)])
    path = tmp_path / f"layers/{picture}.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataRootError, match=f"{picture}.png: is missing or damaged"):
        Layers(tmp_path)
