import warnings

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from outtake.core.errors import ConfigError, UnreadableImageError
from outtake.data.decode_files import decode_file
from outtake.data.folder import Folder
from outtake.data.image_files import read_image
from outtake.data.sample_range import SampleRange, read_range_option
from outtake.data.sample_type import read_sample_type
from outtake.data.source import DataChoice, DataWarning
from outtake.data.unlabelled import PictureFolder, verify_unlabelled
from outtake.data.verification import verify_split
from tests.data.generated import label_map, picture, save

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


def make_set(root, samples, **options):
    """One image for each array, in the order of their names; return their source."""
    (root / "images").mkdir(exist_ok=True)
    for number, each in enumerate(samples):
        tifffile.imwrite(root / f"images/{number:03}.tif", each)
        save(root / f"masks/{number:03}.png", label_map(number))
    return Folder(str(root), **options)


def test_the_deepest_type_decides_wherever_it_is(tmp_path):
    deep = (RAMP * 4000).astype(np.uint16)
    arrays = [(RAMP * 255).astype(np.uint8)] * 40
    arrays[39] = deep
    with pytest.warns(DataWarning) as said:
        source = make_set(tmp_path, arrays)
    lines = [str(each.message) for each in said]
    assert any("2 types, 39 of uint8 (as " in line and "1 of uint16" in line for line in lines)
    assert any(
        "uint16 from 0 to 4000 in 1 images: 0 becomes black and 4095" in line for line in lines
    )
    samples = source.samples("train")
    assert np.array_equal(source.read_image(samples[0])[..., 0], arrays[0])
    assert np.abs(source.read_image(samples[39])[..., 0] - deep / 4095 * 255).max() <= 0.51


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((f"a.{each}", np.uint8) for each in ("png", "npy", "tif", "bmp", "jpg")),
        *((f"a.{each}", np.uint16) for each in ("png", "npy", "tif")),
        *((f"a.{each}", np.float32) for each in ("npy", "tif")),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_head_of_a_file_tells_its_type(tmp_path, name, dtype, channels):
    array = (picture(0, channels=channels) // 2).astype(dtype).squeeze()
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, array)
    elif name.endswith("tif"):
        tifffile.imwrite(path, array)
    else:
        cv2.imwrite(str(path), array)
    assert read_sample_type(path) == decode_file(path, palette_indices=False).dtype == dtype


@pytest.mark.parametrize(("most", "stored"), [(255, ">u1"), (65535, ">u2")])
def test_the_head_of_a_pgm_tells_its_type(tmp_path, most, stored):
    path = tmp_path / "a.pgm"
    path.write_bytes(f"P5 32 24 {most}\n".encode() + (RAMP * 200).astype(stored).tobytes())
    assert read_sample_type(path) == decode_file(path, palette_indices=False).dtype


def test_a_file_that_cannot_be_read_tells_no_type(tmp_path):
    for name in ("a.png", "b.tif", "c.npy", "d.ppm"):
        (tmp_path / name).write_bytes(b"\x89PNG")
        assert read_sample_type(tmp_path / name) is None
    assert read_sample_type(tmp_path / "none.png") is None


def test_samples_beyond_the_range_are_said_when_every_file_is_read(tmp_path):
    arrays = [(RAMP * 900).astype(np.uint16) for _ in range(34)]
    arrays[1] = (RAMP * 4000).astype(np.uint16)
    with pytest.warns(DataWarning, match="0 becomes black and 1023 white"):
        source = make_set(tmp_path, arrays)
    with pytest.warns(DataWarning) as said:
        verify_split(source, "train")
    assert len(said) == 1
    line = str(said[0].message)
    assert line.startswith(
        f"1 of 34 images of train (as {tmp_path / 'images/001.tif'}) have samples"
    )
    assert "outside 0 to 1023, from 0 to 4000 (74." in line
    assert line.endswith("data.source.range=[0,4095] in training holds them")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = Folder(str(tmp_path), range=[0, 4095], classes=["a", "b", "c"])
        verify_split(chosen, "train")


def test_the_range_that_is_advised_is_finite(tmp_path):
    arrays = [(RAMP * 300).astype(np.float32) for _ in range(34)]
    arrays[1] = np.where(RAMP < 0.5, np.inf, RAMP * 2000).astype(np.float32)
    arrays[2] = np.where(RAMP < 0.5, np.nan, RAMP).astype(np.float32)
    source = make_set(tmp_path, arrays, classes=["a", "b", "c"])
    with pytest.warns(DataWarning, match=r"^1 of 34 images .*range=\[0,2000\] in training") as said:
        verify_split(source, "train")
    assert len(said) == 1


def test_what_a_named_range_clips_is_said_of_many_samples_only(tmp_path):
    arrays = [(RAMP * 900).astype(np.uint16) for _ in range(34)]
    arrays[1] = np.where(RAMP > 0.99, 4000, arrays[1]).astype(np.uint16)
    source = make_set(tmp_path, arrays, range=[0, 1023], classes=["a", "b", "c"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verify_split(source, "train")


def test_deep_images_of_another_split_are_said_where_train_has_8_bits(tmp_path):
    for split, samples in (("train", picture(0)), ("val", (RAMP * 4000).astype(np.uint16))):
        save(tmp_path / split / "images/a.png", samples)
        save(tmp_path / split / "masks/a.png", label_map(0))
    source = Folder(str(tmp_path), channels=1)
    line = r"1 of 1 images of val store 16 bits .* high byte, .* samples to 4000 at most .*save all"
    with pytest.warns(DataWarning, match=line):
        verify_split(source, "val")


def test_deep_images_without_labels_are_said_where_labelled_ones_have_8_bits(tmp_path):
    save(tmp_path / "a.png", (RAMP * 4000).astype(np.uint16))
    with pytest.warns(DataWarning, match="1 of 1 images of data.unlabelled=.* store 16 bits"):
        verify_unlabelled(PictureFolder(str(tmp_path), 1, None))
    with pytest.warns(DataWarning, match=r"outside 0 to 1023, from 0 to 4000 .*range=\[0,4095\]"):
        verify_unlabelled(PictureFolder(str(tmp_path), 1, SampleRange(0, 1023)))
