import csv

import pytest

from outtake.core.errors import DataRootError, EmptySplitError, PairingError
from outtake.data.folder import Folder
from outtake.data.source import DataWarning
from tests.data.generated import fill, label_map, picture, save


def write_csv(path, rows, header=("split", "image", "mask")):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_a_csv_lists_samples_relative_to_itself(tmp_path):
    fill(tmp_path / "pictures", tmp_path / "drawings")
    rows = [
        (split, f"pictures/{name}.png", f"drawings/{name}.png")
        for split, name in [("train", "b"), ("train", "a"), ("valid", "c")]
    ]
    table = write_csv(tmp_path / "list.csv", rows)
    source = Folder(str(tmp_path), csv="list.csv")
    assert [pair.id for pair in source.samples("train")] == ["pictures/a", "pictures/b"]
    assert [pair.id for pair in source.samples("val")] == ["pictures/c"]
    assert len(Folder(str(tmp_path), csv=str(table)).samples("train")) == 2


def test_a_csv_names_its_own_root(tmp_path, monkeypatch):
    save(tmp_path / "in" / "a.png", picture(0))
    save(tmp_path / "in" / "b.png", label_map(0))
    write_csv(tmp_path / "in" / "list.csv", [("train", "a.png", "b.png")])
    monkeypatch.chdir(tmp_path)
    source = Folder(csv="in/list.csv")
    assert source.name == "in" and [each.id for each in source.samples("train")] == ["a"]
    monkeypatch.chdir(tmp_path / "in")
    assert Folder(csv="list.csv").name == "in"
    for absent in ("nowhere.csv", "no/where.csv"):
        with pytest.raises(DataRootError, match=rf"{absent}.*data\.source\.csv"):
            Folder(csv=absent)


def test_a_csv_without_splits_is_divided(tmp_path):
    fill(tmp_path / "i", tmp_path / "m", "abcd")
    rows = [(f"i/{name}.png", f"m/{name}.png") for name in "abcd"]
    write_csv(tmp_path / "list.csv", rows, ("image", "mask"))
    source = Folder(str(tmp_path), csv="list.csv", val_fraction=0.25)
    assert (len(source.samples("train")), len(source.samples("val"))) == (3, 1)


@pytest.mark.parametrize(
    ("header", "rows", "error", "message"),
    [
        (("split", "image"), [("train", "i/a.png")], DataRootError, "needs split, image, mask"),
        (("split", "image", "mask"), [], EmptySplitError, "no rows"),
        (("split", "image", "mask"), [("dev", "i/a.png", "m/a.png")], DataRootError, "'dev'"),
        (("split", "image", "mask"), [("train", "i/x.png", "m/a.png")], PairingError, r"line 2"),
        (
            ("split", "image", "mask"),
            [("train", "i/a.png", "m/a.png")] * 2,
            PairingError,
            "more than once: i/a",
        ),
        (("split", "image", "mask"), [("train", "", "m/a.png")], PairingError, "line 2"),
        (("image", "mask"), [("i/a.png", "")], PairingError, r"no mask: i/a \(line 2\).*skip"),
    ],
)
def test_a_wrong_csv(tmp_path, header, rows, error, message):
    fill(tmp_path / "i", tmp_path / "m")
    write_csv(tmp_path / "list.csv", rows, header)
    with pytest.raises(error, match=message):
        Folder(str(tmp_path), csv="list.csv")


@pytest.mark.parametrize(("missing_masks", "count"), [("skip", 2), ("unlabelled", 3)])
def test_an_empty_cell_is_an_image_without_a_mask(tmp_path, missing_masks, count):
    fill(tmp_path / "i", tmp_path / "m")
    rows = [("i/a.png", "m/a.png"), ("i/b.png", " "), ("i/c.png", "m/c.png")]
    write_csv(tmp_path / "list.csv", rows, ("image", "mask"))
    with pytest.warns(DataWarning, match=r"1 images in .*list\.csv have no mask.*i/b \(line 3\)"):
        source = Folder(str(tmp_path), csv="list.csv", missing_masks=missing_masks)
    samples = source.samples("train")
    assert len(samples) == count
    assert all((source.read_mask(each) == 255).all() for each in samples if not each.mask)


def test_a_missing_csv(tmp_path):
    with pytest.raises(DataRootError, match=r"list.csv.*data.source.csv"):
        Folder(str(tmp_path), csv="list.csv")
