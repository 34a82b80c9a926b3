"""Label maps beside the masks go where the masks go."""

import albumentations as A
import numpy as np
import pytest
from scipy.io import savemat
from torchvision.transforms import v2

from outtake.core.errors import ConfigError, LabelValueError, PairingError, SizeMismatchError
from outtake.data.augmentation import Augmentation
from outtake.data.crop import RandomCrop
from outtake.data.datamodule import DataModule
from outtake.data.folder import Folder
from outtake.data.folds import FoldSource
from outtake.data.further_labels import ChosenLabelMap, FurtherLabelMaps, get_further_labels
from outtake.data.inspection import inspect_source
from outtake.data.mixing import CopyPaste, Mosaic
from outtake.data.verification import verify_split
from tests.data.generated import picture, save

LAYOUT = {"folder": "layout", "classes": ["wall", "floor", "roof"]}


def layout_of(number, size=(24, 32)):
    rows = np.arange(size[0])[:, None] * 3 // size[0]
    return np.broadcast_to((rows + number) % 3, size).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    for split, numbers in (("train", range(4)), ("val", range(4, 6))):
        for number in numbers:
            save(tmp_path / split / f"images/{number}.png", picture(number, (24, 32)))
            save(tmp_path / split / f"masks/{number}.png", layout_of(number)[::-1] % 2)
            save(tmp_path / split / f"layout/{number}.png", layout_of(number))
    return tmp_path


def further(root, **options):
    return FurtherLabelMaps(Folder(str(root)), {"layout": LAYOUT | options})


def test_a_label_map_is_found_by_the_name_of_its_image_with_classes_of_its_own(root):
    source = further(root)
    assert get_further_labels(source)["layout"].names == ("wall", "floor", "roof")
    for sample in source.samples("val"):
        (found,) = source.read_further_masks(sample)
        assert np.array_equal(found, layout_of(int(sample.id)))
    assert source.root == root
    report = verify_split(source, "train")
    assert report.further_class_pixels["layout"].sum() == 4 * 24 * 32
    assert report.further_class_frequencies("layout").sum() == pytest.approx(1)
    assert report.fingerprint != verify_split(Folder(str(root)), "train").fingerprint


def test_an_ignored_id_is_unlabelled_and_other_ids_follow(root):
    source = further(root, classes=["floor", "roof"], ignore=0)
    (found,) = source.read_further_masks(source.samples("train")[0])
    assert np.array_equal(found, np.where(layout_of(0) == 0, 255, layout_of(0) - 1))


def test_files_of_matlab_are_read_as_sift_flow_stores_them(root):
    for split in ("train", "val"):
        for path in (root / split / "layout").glob("*.png"):
            savemat(path.with_suffix(".mat"), {"S": layout_of(int(path.stem)).astype(int) - 1})
            path.unlink()
    source = further(root, classes=["vertical", "sky"])
    (found,) = source.read_further_masks(source.samples("train")[0])
    assert np.array_equal(found, np.where(layout_of(0) == 0, 255, layout_of(0) - 1))


def test_one_of_them_can_take_the_place_of_the_masks(root):
    chosen = ChosenLabelMap(further(root), "layout")
    assert chosen.labels.names[2] == "roof" and not get_further_labels(chosen)
    for sample in chosen.samples("val"):
        assert np.array_equal(chosen.read_mask(sample), layout_of(int(sample.id)))
    with pytest.raises(ConfigError, match=r"label_map=depth: .* only layout; set 'data\.further_l"):
        ChosenLabelMap(further(root), "depth")


def test_loaders_and_views_pass_them_on(root):
    views = [further(root), FoldSource(further(root), 2, 0)]
    for source in views:
        data = DataModule(
            source, [A.HorizontalFlip(p=0.5)], seed=0, batch_size=2, workers=0, crop=[16, 16]
        )
        data.setup("fit")
        train, val = next(iter(data.train_dataloader())), next(iter(data.val_dataloader()))
        assert train["further_masks"]["layout"].shape == train["mask"].shape == (2, 16, 16)
        assert val["further_masks"]["layout"].shape == val["mask"].shape
        assert data.further_labels["layout"].names == ("wall", "floor", "roof")


@pytest.mark.parametrize(
    ("steps", "mixing"),
    [
        ([A.Affine(rotate=(20, 30), fill_mask=255, p=1)], ()),
        ([v2.RandomRotation((20, 30))], ()),
        ([A.HorizontalFlip(p=1), v2.RandomVerticalFlip(1.0)], ()),
        ([], (CopyPaste(["a", "b", "c"], 255, p=1.0), Mosaic(255, p=1.0))),
    ],
)
def test_every_label_map_moves_as_the_mask_does(steps, mixing):
    mask = layout_of(0)
    image = np.repeat(mask[..., None] * 80, 3, axis=2)
    maps = np.stack([mask, 2 - mask, np.where(mask == 1, 255, mask)], axis=2)
    steps = Augmentation(steps, RandomCrop((30, 30), 255), 255, 0, mixing)
    steps.check(image, maps)
    _, moved = steps(image, maps, 0, 1, lambda draws: (image, maps))
    _, alone = steps(image, mask, 0, 1, lambda draws: (image, mask))
    assert np.array_equal(moved[..., 0], alone), "the draws are the same"
    known = alone != 255
    assert known.any() and not known.all()
    assert np.array_equal(moved[..., 1], np.where(known, 2 - alone, 255))
    assert np.array_equal(moved[..., 2], np.where(alone == 1, 255, alone))


def test_what_does_not_fit_is_one_line(root):
    for options, line in (
        ({"classes": None}, r"further_labels\.layout has no classes: set 'data\.further_labels="),
        ({"classes": ["wall"]}, r"layout\.classes: .* is 1 \(wall\), and 2 to 255 are needed"),
        ({"classes": [True, "a"]}, r"layout\.classes: the class name"),
        ({"weight": -1}, r"layout\.weight=-1: give a number of at least 0"),
        ({"ignore": 300}, r"layout\.ignore=300: give the id that is unlabelled, 0 to 255"),
        ({"clases": []}, r"layout\.clases: no such key; there are folder, classes, ignore, weight"),
    ):
        with pytest.raises(ConfigError, match=line):
            further(root, **options)
    with pytest.raises(ConfigError, match=r"\.labels: so the masks of the data set are called"):
        FurtherLabelMaps(Folder(str(root)), {"labels": LAYOUT})
    with pytest.raises(ConfigError, match=r"\.\./out: give a name of letters, digits"):
        FurtherLabelMaps(Folder(str(root)), {"../out": LAYOUT})
    with pytest.raises(ConfigError, match=r"8 label maps; give 7 at most"):
        FurtherLabelMaps(Folder(str(root)), {str(n): LAYOUT for n in range(8)})
    (root / "train/layout/1.png").unlink()
    with pytest.raises(PairingError, match=r"layout: 1 of 4 images have no file .*layout: 1;"):
        further(root)


def test_files_that_do_not_fit_are_named_before_training_and_by_verify(root):
    save(root / "train/layout/1.png", layout_of(1, (12, 16)))
    with pytest.raises(SizeMismatchError, match=r"is 32x24 and its label map layout, .*is 16x12"):
        verify_split(further(root), "train")
    assert [each.kind for each in inspect_source(further(root)).defects].count(
        "further_labels"
    ) == 1
    save(root / "train/layout/1.png", layout_of(1) + 5)
    with pytest.raises(LabelValueError, match=r"layout/1\.png have the value [567], "):
        verify_split(further(root), "train")
    for path in (root / "train/layout").glob("*.png"):
        save(path, np.full((24, 32), 255, np.uint8))
    with pytest.raises(LabelValueError, match=r"every file of data\.further_labels\.layout holds"):
        verify_split(further(root), "train")
