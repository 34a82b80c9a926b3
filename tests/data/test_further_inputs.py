import albumentations as A
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.core.errors import ConfigError, DataRootError, PairingError, SizeMismatchError
from outtake.data.augmentation import Augmentation
from outtake.data.datamodule import DataModule
from outtake.data.folder import Folder
from outtake.data.further_inputs import FurtherInput, get_further_inputs
from outtake.data.image_files import read_image
from outtake.data.inspection import inspect_source
from outtake.data.overfit import FirstSamples
from outtake.data.source import DataWarning
from outtake.data.stacked_inputs import StackedInputs
from outtake.data.verification import verify_split
from tests.data.generated import SIZE, label_map, picture, save


def save_depth(root, *, place="{split}/depth/{name}.png", size=SIZE, high=4000):
    """Give every image of a folder 16-bit depth that rises from left to right."""
    for image in sorted(root.glob("*/images/*.png")):
        depth = np.broadcast_to(np.linspace(0, high, size[1]).astype(np.uint16), size)
        path = root / place.format(split=image.parts[-3], name=image.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(depth.copy()).save(path)


def stack(root, folders=None, **options):
    return StackedInputs(Folder(str(root)), folders or {"depth": "depth"}, **options)


@pytest.mark.parametrize(
    "place", ["{split}/depth/{name}.png", "depth/{split}/{name}.png", "depth/{name}_z.png"]
)
def test_a_further_input_is_a_channel_behind_those_of_the_image_of_its_name(folder, place):
    root = folder()
    save_depth(root, place=place)
    source = stack(root)
    assert source.channels == 4
    assert [each.name for each in source.further_inputs] == ["depth"]
    for split in ("train", "val"):
        for sample in source.samples(split):
            image = source.read_image(sample)
            assert np.array_equal(image[..., :3], read_image(sample.image))
            # 4000 of 4095, the depth of 12 bits that was found
            assert image[0, 0, 3] == 0 and image[0, -1, 3] == round(4000 / 4095 * 255)
    assert source.samples("train")[0].id in source.samples("train")[0].further[0]


def test_the_type_and_range_of_an_input_are_told_by_all_of_its_files(folder):
    root = folder()
    save_depth(root, high=900)
    first, second = sorted((root / "train/depth").glob("*.png"))[:2]
    save(first, picture(5, channels=1)[..., 0])
    with pytest.warns(DataWarning, match=r"1 of uint8 \(as .* of uint16") as said:
        source = stack(root)
    assert any("depth.range=[low,high]" in str(each.message) for each in said)
    assert source.further_inputs[0].sample_range.high == 1023
    Image.fromarray(np.full(SIZE, 4000, np.uint16)).save(second)
    with pytest.warns(DataWarning, match=r"data.further_inputs.depth.range=\[0,4095\]"):
        verify_split(source, "train")


def test_inputs_keep_the_order_range_and_channels_of_the_network_that_is_scored(folder):
    root = folder()
    save_depth(root)
    for image in root.glob("*/images/*.png"):
        save(root / image.parts[-3] / "heat" / image.name, picture(5, channels=3))
    folders = {"heat": {"folder": "heat", "channels": 1}, "depth": {"folder": "depth"}}
    trained = stack(root, folders | {"depth": {"folder": "depth", "range": [0, 8000]}})
    assert trained.channels == 5
    kept = tuple(FurtherInput.from_dict(each.to_dict()) for each in trained.further_inputs)
    assert kept == trained.further_inputs
    scored = stack(root, dict(reversed(folders.items())), trained=kept)
    sample = scored.samples("val")[0]
    assert scored.read_image(sample)[0, -1, 4] == round(4000 / 8000 * 255)
    assert np.array_equal(scored.read_image(sample), trained.read_image(sample))
    with pytest.raises(ConfigError, match="trained with further inputs, heat, depth, and there"):
        stack(root, {"depth": "depth"}, trained=kept)


def test_a_val_that_is_cut_out_of_train_has_the_inputs_of_train(folder):
    root = folder(val=0)
    save_depth(root)
    source = StackedInputs(Folder(str(root), val_fraction=0.4), {"depth": "depth"})
    assert len(source.samples("val")) == 2
    assert all(source.read_image(each).shape[2] == 4 for each in source.samples("val"))


def test_what_does_not_fit_is_one_line_before_any_work(folder):
    root = folder()
    with pytest.raises(DataRootError, match=r"further_inputs\.depth=depth: no such folder"):
        stack(root)
    save_depth(root, size=(12, 16))
    with pytest.raises(SizeMismatchError, match=r"train00\.png is 16x12 and .* 32x24; bring them"):
        verify_split(stack(root), "train")
    (root / "val/depth/val00.png").unlink()
    with pytest.raises(
        PairingError, match=r"1 of 3 images have no file of their name in .*: val00"
    ):
        stack(root).samples("val")
    with pytest.raises(ConfigError, match=r"inputs\.image: so the image itself is called"):
        stack(root, {"image": "depth"})
    with pytest.raises(ConfigError, match=r"depth\.path: no such key; there are folder"):
        stack(root, {"depth": {"path": "depth"}})
    with pytest.raises(ConfigError, match=r"depth\.range=1: give auto"):
        stack(root, {"depth": {"folder": "depth", "range": "1"}})


def test_verify_lists_each_input_of_another_size(folder):
    root = folder()
    save_depth(root)
    save(root / "train/depth/train02.png", np.zeros((12, 16), np.uint8))
    defects = [each for each in inspect_source(stack(root)).defects if each.kind == "further_size"]
    assert [(each.split, each.sample) for each in defects] == [("train", "train02")]


def test_shards_have_no_further_inputs(folder):
    source = Folder(str(folder()))
    source.recorded_report = None
    with pytest.raises(ConfigError, match="shards have no names of files"):
        StackedInputs(source, {"depth": "depth"})


def test_the_bytes_of_a_sample_and_its_inputs_make_the_fingerprint(folder):
    root = folder()
    save_depth(root)
    before = verify_split(stack(root), "val").fingerprint
    save_depth(root, high=3000)
    assert verify_split(stack(root), "val").fingerprint != before


def test_wrapped_data_sets_pass_inputs_on(folder):
    root = folder()
    save_depth(root)
    source = FirstSamples(stack(root), 2)
    assert get_further_inputs(source)[0].name == "depth"
    data = DataModule(source, [A.ToGray(p=1)], seed=0, batch_size=2, workers=0)
    data.setup("fit")
    image = next(iter(data.train_dataloader()))["image"]
    assert image.shape[1] == 4
    assert bool((image[:, 0] == image[:, 1]).all()), "grey"
    assert not bool((image[:, 0] == image[:, 3]).all())


@pytest.mark.parametrize("flip", [A.HorizontalFlip(p=1), v2.RandomHorizontalFlip(p=1)])
@pytest.mark.parametrize(
    "colours", [A.HueSaturationValue(p=1), A.ToGray(p=1), v2.ColorJitter(0.5, 0.5), v2.Grayscale(3)]
)
def test_inputs_are_moved_with_the_image_and_keep_their_values(flip, colours):
    image, mask = picture(0, channels=5), label_map(0)
    steps = Augmentation([flip, colours], None, 255, 0, further_channels=2)
    steps.check(image, mask)
    changed, moved = steps(image, mask, 0, 0)
    assert np.array_equal(changed[..., 3:], image[:, ::-1, 3:])
    assert np.array_equal(moved, mask[:, ::-1])
    alone = Augmentation([flip, colours], None, 255, 0)(image[..., :3], mask, 0, 0)
    assert np.array_equal(changed[..., :3], alone[0]), "the image is changed as without inputs"


@pytest.mark.parametrize(
    "turn", [A.Affine(rotate=45, p=1), A.Rotate((45, 45), p=1), v2.RandomRotation((45, 45))]
)
def test_what_a_turn_uncovers_is_black_in_further_inputs(turn):
    image, mask = np.full((40, 40, 4), 255, np.uint8), np.zeros((40, 40), np.uint8)
    if isinstance(turn, A.Rotate):
        turn = A.Rotate((45, 45), border_mode=0, p=1)
    steps = Augmentation([turn], None, 255, 0, further_channels=1)
    changed, moved = steps(image, mask, 0, 0)
    assert moved[0, 0] == 255 and changed[0, 0, 3] == 0
    assert changed[20, 20, 3] == 255 and moved[20, 20] == 0


def test_strong_views_change_the_colours_of_the_image_alone(folder):
    root = folder()
    save_depth(root)
    given = ["data=folder", f"data.root={root}", "data.further_inputs={depth: depth}"]
    given += ["supervision=unimatch", "data.labelled_share=1/2", "data.crop=[16,16]"]
    data = build_data(compose("train", [*given, "data.short_side=null", "data.workers=0"]))
    data.setup("fit")
    found = next(iter(data.train_dataloader()))["unlabelled"]
    image = found["image"][:, None].expand_as(found["strong"])
    assert torch.equal(found["strong"][:, :, 3:], image[:, :, 3:])
    assert not torch.equal(found["strong"][:, :, :3], image[:, :, :3])
