"""``outtake cluster``: which pixels belong together, from pictures to files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from outtake.annotations.labelme_json import labelme_records, read_labelme_shape
from outtake.annotations.raster import draw_shape
from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError, OutputError, UnreadableImageError
from outtake.pictures.predictor import Predictor
from outtake.programs.cluster import cluster
from tests.refine.test_superpixels import quarters


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    image, _ = quarters(64)
    Image.fromarray(image).save(folder / "a.png")
    Image.fromarray(image[:40, :, 0]).save(folder / "sub" / "grey.png")
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    return folder


def run(folder: Path, out: Path, *overrides: str) -> Path:
    asked = [f"input={folder}", f"output={out}", "regions=60", *overrides]
    return cluster(compose("cluster", asked))


def labels_of(out: Path, name: str = "a") -> np.ndarray:
    return np.asarray(Image.open(out / "labels" / f"{name}.png"))


def test_pixels_that_belong_together_are_found_without_a_network(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = run(photos, tmp_path / "out", "groups=4", "contours=svg")
    found, (_, truth) = labels_of(out), quarters(64)
    assert (found == truth).mean() > 0.97
    assert labels_of(out, "sub/grey").shape == (40, 64)
    assert "skipped broken.png" in caplog.text
    drawn = np.asarray(Image.open(out / "outlines" / "a.png"))
    assert 60 < (drawn == (255, 220, 0)).all(axis=2).sum() < 400
    tree = ElementTree.fromstring((out / "contours" / "a.svg").read_text())
    assert len(tree) == 4 and "group_0" in {path[0].text for path in tree}


@pytest.mark.parametrize("method", ["slic", "felzenszwalb"])
def test_contours_of_labelme_give_the_labels_again(
    photos: Path, tmp_path: Path, method: str
) -> None:
    out = run(
        photos / "a.png", tmp_path / "out", "groups=7", f"method={method}", "contours=labelme"
    )
    tree = json.loads((out / "contours" / "a.json").read_text())
    assert (out / "contours" / tree["imagePath"]).resolve() == photos / "a.png"
    labels = labels_of(out)
    again = np.full(labels.shape, 255, np.uint8)
    for record in labelme_records(tree):
        shape = read_labelme_shape(record)
        draw_shape(again, shape, int(shape.label.removeprefix("group_")), "centres")
    assert np.array_equal(again, labels)


def test_a_network_names_the_regions(photos: Path, tmp_path: Path, small_run: Path) -> None:
    out = run(
        photos / "a.png", tmp_path / "out", f"checkpoint={small_run}", "device=cpu",
        "contours=labelme",
    )  # fmt: skip
    names = load_trained(small_run).labels.names
    shapes = json.loads((out / "contours" / "a.json").read_text())["shapes"]
    assert {shape["label"] for shape in shapes} <= set(names)
    image = np.asarray(Image.open(photos / "a.png"))
    seen = Predictor.from_checkpoint(small_run, device="cpu")(image).labels
    assert set(np.unique(labels_of(out))) <= set(np.unique(seen))


def test_what_has_no_effect_has_a_line(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "outtake"):
        run(photos / "a.png", tmp_path / "out", "least=9", "tolerance_px=2")
    assert "least=9 is not used" in caplog.text and "tolerance_px=2.0 is not used" in caplog.text


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["groups=1"], "at least 2 and at most 254"),
        (["groups=255"], "groups=255"),
        (["method=seeds"], "method=seeds"),
        (["contours=dxf"], "contours=dxf"),
    ],
)
def test_what_cannot_work_is_one_line_and_leaves_nothing(
    photos: Path, tmp_path: Path, options: list[str], error: str
) -> None:
    with pytest.raises(ConfigError, match=error):
        run(photos, tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_files_that_exist_stay_and_broken_pictures_alone_are_an_error(
    photos: Path, tmp_path: Path
) -> None:
    out = run(photos / "a.png", tmp_path / "out", "groups=2")
    with pytest.raises(OutputError, match=r"a\.png exists; .*overwrite=true"):
        run(photos / "a.png", out, "groups=3")
    assert labels_of(out).max() == 1
    run(photos / "a.png", out, "groups=3", "overwrite=true")
    assert labels_of(out).max() == 2
    with pytest.raises(UnreadableImageError, match="none of 1 pictures"):
        run(photos / "broken.png", tmp_path / "none")
