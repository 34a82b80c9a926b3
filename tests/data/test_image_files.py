import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from outtake.core.errors import UnreadableImageError
from outtake.data import decode_files
from outtake.data.image_files import read_image, read_raw_mask
from tests.data.generated import picture


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "tiff", "PNG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_give_the_stored_samples(tmp_path, extension, channels):
    image = picture(0, channels=channels)
    path = tmp_path / f"a.{extension}"
    Image.fromarray(image.squeeze()).save(path)
    assert np.array_equal(read_image(path), image)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_is_gray_or_rgb(tmp_path, mode):
    path = tmp_path / "a.jpg"
    flat = np.full((24, 32, 3), (200, 100, 50), np.uint8)
    Image.fromarray(flat).convert(mode).save(path, quality=95)
    image = read_image(path)
    assert image.shape == (24, 32, 1 if mode == "L" else 3)
    if mode != "L":
        assert np.abs(image.astype(int) - flat).max() < 8


def test_sixteen_bits_keep_the_high_byte(tmp_path):
    samples = np.arange(0, 65536, 512, dtype=np.uint16).reshape(8, 16)
    Image.fromarray(samples).save(tmp_path / "gray.png")
    tifffile.imwrite(tmp_path / "rgb.tif", np.stack([samples] * 3, 2), photometric="rgb")
    assert np.array_equal(read_image(tmp_path / "gray.png")[..., 0], samples >> 8)
    assert np.array_equal(read_image(tmp_path / "rgb.tif")[..., 1], samples >> 8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("channels", [2, 4, 5, 7])
def test_tiff_of_any_channels(tmp_path, channels, planes, dtype):
    image = picture(1, channels=channels)
    stored = image.astype(dtype) * (1 if dtype == np.uint8 else 256)
    stored = stored if planes == "contig" else stored.transpose(2, 0, 1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="minisblack", planarconfig=planes)
    assert np.array_equal(read_image(path), image)


def test_compressed_tiff(tmp_path):
    for channels in (1, 3, 4):
        image = picture(1, channels=channels)
        path = tmp_path / f"{channels}.tif"
        Image.fromarray(image.squeeze()).save(path, compression="tiff_lzw")
        assert np.array_equal(read_image(path), image)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_tiff_that_is_compressed_by_lzw(tmp_path, channels, dtype):
    samples = (picture(1, channels=channels) / 255 * 1023).astype(dtype)
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[channels]
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), cv2.cvtColor(samples, order), [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    read = decode_files.decode_file(path, palette_indices=False)
    assert read.dtype == dtype and np.array_equal(read, samples)


def test_samples_in_lzw_that_are_not_read_have_a_remedy(tmp_path):
    image = Image.fromarray(picture(1, channels=4)).convert("LA")
    image.save(tmp_path / "a.tif", compression="tiff_lzw")
    with pytest.raises(UnreadableImageError, match="uint8, needs pip install imagecodecs; Deflate"):
        read_image(tmp_path / "a.tif")


def test_channels_multiplied_with_alpha_are_kept_as_stored(tmp_path):
    image = picture(1, channels=4)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["ASSOCALPHA"])
    assert np.array_equal(read_image(tmp_path / "a.tif"), image)


def test_tiff_pages_are_channels(tmp_path):
    image = picture(1, channels=5)
    tifffile.imwrite(tmp_path / "a.tif", image.transpose(2, 0, 1), photometric="minisblack")
    assert np.array_equal(read_image(tmp_path / "a.tif"), image)


def test_four_channels_of_a_png_are_kept_and_can_be_dropped(tmp_path):
    image = picture(2, channels=4)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), image)
    assert np.array_equal(read_image(tmp_path / "a.png", channels=3), image[..., :3])
    assert read_image(tmp_path / "a.png", channels=1).shape == (24, 32, 1)


def test_gray_becomes_rgb_on_request(tmp_path):
    image = picture(2, channels=1)
    Image.fromarray(image[..., 0]).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png", channels=3), np.repeat(image, 3, 2))


def test_exif_orientation_is_applied(tmp_path):
    image = Image.fromarray(picture(3))
    exif = image.getexif()
    exif[0x0112] = 6  # turned 90 degrees clockwise for display
    image.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(picture(3), -1))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_uncompressed_tiff_is_turned(tmp_path, mode, orientation):
    image = Image.fromarray(np.arange(6 * 10 * 3, dtype=np.uint8).reshape(6, 10, 3)).convert(mode)
    image.save(tmp_path / "a.tiff", tiffinfo={274: orientation})
    exif = Image.Exif()
    exif[274] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    turned = read_image(tmp_path / "a.png")
    assert turned.shape[:2] == ((10, 6) if orientation > 4 else (6, 10))
    assert np.array_equal(read_image(tmp_path / "a.tiff"), turned)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "tif", "bands.tif"])
def test_deep_colours_are_turned_as_eight_bits_are(tmp_path, kind, orientation):
    image = picture(3, channels=5 if kind == "bands.tif" else 3)
    eight, deep = tmp_path / "eight.png", tmp_path / f"deep.{kind}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(image[..., :3]).save(eight, exif=exif)
    if kind == "png":
        (content,) = cv2.imencode(".png", image[..., ::-1].astype(np.uint16) * 256)[1:]
        data = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
        deep.write_bytes(content.tobytes()[:33] + chunk + content.tobytes()[33:])
    else:
        tags = [(274, "H", 1, orientation, True)]
        shades = "rgb" if kind == "tif" else "minisblack"
        samples = image.astype(np.uint16) * 256
        tifffile.imwrite(deep, samples, photometric=shades, planarconfig="contig", extratags=tags)
    assert np.array_equal(read_image(deep)[..., :3], read_image(eight))


@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "bmp"])
def test_a_truncated_image_is_an_error_that_names_it(tmp_path, extension):
    path = tmp_path / f"broken.{extension}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableImageError, match=f"broken.{extension}.*replace the file"):
        read_image(path)


@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
def test_text_is_no_image(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    path.write_text("hello")
    with pytest.raises(UnreadableImageError, match="cannot read"):
        read_image(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_image(tmp_path / "a.png")


def test_float_samples_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.float32))
    with pytest.raises(UnreadableImageError, match="8 or 16 bits"):
        read_image(tmp_path / "a.tif")


def test_masks_keep_indices_bits_and_large_ids(tmp_path):
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = Image.fromarray(ids)
    palette.putpalette([255, 0, 0] * 256)
    palette.save(tmp_path / "p.png")
    assert np.array_equal(read_raw_mask(tmp_path / "p.png"), ids)
    Image.fromarray(ids > 5).save(tmp_path / "1.png")
    assert np.array_equal(read_raw_mask(tmp_path / "1.png"), ids > 5)
    Image.fromarray(ids.astype(np.uint16) * 1000).save(tmp_path / "16.png")
    assert np.array_equal(read_raw_mask(tmp_path / "16.png"), ids.astype(int) * 1000)
    rgba = picture(0, channels=4)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    assert np.array_equal(read_raw_mask(tmp_path / "rgba.png"), rgba[..., :3])


@pytest.mark.slow
def test_a_picture_is_read_whatever_its_size_if_memory_has_room(tmp_path, monkeypatch):
    path = tmp_path / "field.png"
    Image.new("1", (13_500, 13_500)).save(path)
    assert read_raw_mask(path).shape == (13_500, 13_500)
    monkeypatch.setattr(decode_files, "free_memory_bytes", lambda: 500_000_000)
    with pytest.raises(UnreadableImageError, match=r"field.png: 13500 x 13500 take 0.5 GB.*tiles"):
        read_raw_mask(path)


@pytest.mark.parametrize(
    "dtype", [np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64]
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_masks_of_every_type_keep_their_numbers(tmp_path, dtype, byteorder):
    ids = np.arange(12).reshape(3, 4) * 20
    tifffile.imwrite(tmp_path / "a.tif", ids.astype(dtype), byteorder=byteorder)
    assert np.array_equal(read_raw_mask(tmp_path / "a.tif"), ids)


def test_masks_hold_whole_numbers(tmp_path):
    np.save(tmp_path / "a.npy", np.full((4, 4), 0.5))
    with pytest.raises(UnreadableImageError, match="whole numbers"):
        read_raw_mask(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", b"", "it is empty"),
        ("a.jpg", b"<html>not found</html>", "it is no picture of a format that can be read"),
        ("a.npy", b"hello", "it holds no array of numbers, as numpy.save writes it"),
    ],
)
def test_what_is_no_picture_is_said_without_the_words_of_a_library(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableImageError) as caught:
        read_image(tmp_path / name)
    said = f"cannot read {tmp_path / name}: {reason}; replace the file, or leave it out"
    assert str(caught.value) == said
