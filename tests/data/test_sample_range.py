import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from outtake.core.errors import ConfigError, UnreadableImageError
from outtake.data.folder import Folder
from outtake.data.image_files import read_image
from outtake.data.sample_range import SampleRange, read_range_option
from outtake.data.source import DataChoice, DataWarning
from tests.data.generated import label_map, save

RAMP = np.linspace(0, 1, 24 * 32).reshape(24, 32)


def make(root, samples, **options):
    (root / "images").mkdir(exist_ok=True)
    tifffile.imwrite(root / "images/a.tif", samples, byteorder=options.pop("byteorder", None))
    save(root / "masks/a.png", label_map(0))
    return Folder(str(root), **options)


def first_image(source):
    return source.read_image(source.samples("train")[0])[..., 0]


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "full"),
    [
        (np.uint16, 200, 0, 255),  # the low byte alone
        (np.uint16, 3000, 0, 4095),
        (np.int16, 900, 0, 1023),
        (np.uint32, 60000, 0, 65535),
        (np.float32, 1, 0, 1),
        (np.float64, 250, 0, 255),
        (np.float16, 1, 0, 1),
    ],
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_the_range_is_found_and_said(tmp_path, dtype, scale, offset, full, byteorder):
    samples = (RAMP * scale + offset).astype(dtype)
    with pytest.warns(DataWarning, match=f"becomes black and {full} white"):
        source = make(tmp_path, samples, byteorder=byteorder)
    expected = samples.astype(float) * 255 / full
    assert np.abs(first_image(source) - expected).max() <= 0.51


def test_numbers_below_zero_span_their_own_range(tmp_path):
    samples = (RAMP * 4000 - 1000).astype(np.int16)
    with pytest.warns(DataWarning, match="-1000 becomes black and 3000 white"):
        image = first_image(make(tmp_path, samples))
    assert (image.min(), image.max()) == (0, 255)


def test_sixteen_bits_that_are_used_keep_the_high_byte_without_a_word(tmp_path):
    samples = (RAMP * 65000).astype(np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DataChoice)
        image = first_image(make(tmp_path, samples))
    assert np.array_equal(image, samples >> 8)


def test_a_named_range_holds_for_all_types(tmp_path):
    image = first_image(make(tmp_path, (RAMP * 20).astype(np.uint8), range=[0, 20]))
    assert image.max() == 255


def test_shades_that_are_lost_are_told(tmp_path):
    narrow = (30000 + RAMP * 1000).astype(np.uint16)
    with pytest.warns(DataWarning, match=r"fill only .* of the range 0 to 65535"):
        make(tmp_path, narrow)
    with pytest.warns(DataWarning, match=r"lie outside 0 to 30500 and are clipped"):
        make(tmp_path, narrow, range=[0, 30500])


@pytest.mark.parametrize("option", ["all", [1], [5, 5], [1, "x"]])
def test_a_wrong_range_is_one_line(option):
    with pytest.raises(ConfigError, match=r"data.source.range=.*\[0,4095\]"):
        read_range_option(option)


def test_no_number_becomes_black(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[np.nan, 0.5], [1, np.inf]], np.float32))
    image = read_image(tmp_path / "a.tif", limits=SampleRange(0, 1))
    assert image[..., 0].tolist() == [[0, 128], [255, 255]]


def test_without_a_range_the_message_names_the_option(tmp_path):
    np.save(tmp_path / "a.npy", RAMP)
    with pytest.raises(UnreadableImageError, match=r"data.source.range=\[low,high\]"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_deep_colours_keep_their_low_byte_in_a_range(tmp_path, channels, extension):
    deep = np.stack([(RAMP * 255).astype(np.uint16) + 7 * n for n in range(channels)], 2)
    path = tmp_path / f"a.{extension}"
    if extension == "tif":
        tifffile.imwrite(path, deep, photometric="rgb", extrasamples=[2] * (channels - 3))
    else:
        import cv2

        code = cv2.COLOR_RGB2BGR if channels == 3 else cv2.COLOR_RGBA2BGRA
        cv2.imwrite(str(path), cv2.cvtColor(deep, code))
    assert np.array_equal(read_image(path, limits=SampleRange(0, 255)), deep.clip(0, 255))
    assert np.array_equal(read_image(path), deep >> 8)


def test_orientation_of_masks_is_applied_too(tmp_path):
    """A phone's picture and the mask that a tool saved with the same EXIF data."""
    for path, array in (
        (tmp_path / "images/a.png", None),
        (tmp_path / "masks/a.png", label_map(1)),
    ):
        stored = Image.fromarray(np.full((24, 32, 3), 9, np.uint8) if array is None else array)
        exif = stored.getexif()
        exif[0x0112] = 6
        path.parent.mkdir()
        stored.save(path, exif=exif)
    source = Folder(str(tmp_path))
    sample = source.samples("train")[0]
    assert source.read_image(sample).shape == (32, 24, 3)
    assert np.array_equal(source.read_mask(sample), np.rot90(label_map(1), -1))


def test_scored_data_keep_the_range_of_training(tmp_path):
    """Dim images alone would be taken for 8 bits in 16, and come out sixteen times as bright."""
    trained = SampleRange(0, 4095).to_dict()
    dim = (RAMP * 200).astype(np.uint16)
    with pytest.warns(DataWarning, match="0 becomes black and 4095 white, as in training"):
        source = make(tmp_path, dim, trained_range=trained)
    assert first_image(source).max() == round(200 * 255 / 4095)
    assert source.sample_range == SampleRange(0, 4095)


def test_sixteen_bits_of_training_keep_the_high_byte_of_dim_images(tmp_path):
    (tmp_path / "bright").mkdir()
    bright = make(tmp_path / "bright", (RAMP * 65000).astype(np.uint16))
    dim = (RAMP * 3000).astype(np.uint16)
    scored = make(tmp_path, dim, trained_range=bright.sample_range.to_dict())
    assert np.array_equal(first_image(scored), dim >> 8)


def test_a_range_that_is_not_the_one_of_training_is_told(tmp_path):
    trained = SampleRange(0, 4095).to_dict()
    with pytest.warns(DataWarning, match="0 becomes black and 1 white; the network was trained"):
        assert first_image(make(tmp_path, RAMP.astype(np.float32), trained_range=trained)).max()
    with pytest.warns(DataWarning, match=r"data.source.range says; the network .* 4095 white"):
        make(tmp_path, (RAMP * 900).astype(np.uint16), trained_range=trained, range=[0, 1023])


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_range_out_of_a_file_is_checked(limits):
    plain = SampleRange(0, 1).to_dict() | {"low": limits[0], "high": limits[1]}
    with pytest.raises(ValueError, match="cannot range"):
        SampleRange.from_dict(plain)


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        (SampleRange(0, 4095), (0, 1)),
        (SampleRange(0, 65535, high_byte=True), (0, 1)),
        (SampleRange(0, 1, of_floats=True), (0, 1)),
        (SampleRange(16, 235, of_all=True), (16 / 255, 235 / 255)),
        (SampleRange(819, 3276), (0.2, 0.8)),
        (SampleRange(-1, 1, of_floats=True), None),
        (SampleRange(0, 7000, of_floats=True), None),
    ],
)
def test_a_range_is_a_share_of_its_depth(
    limits: SampleRange, share: tuple[float, float] | None
) -> None:
    found = limits.share_of_depth()
    assert found is None if share is None else found == pytest.approx(share)
