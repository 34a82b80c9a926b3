"""Images with alpha are read as straight colours, whatever their files multiply."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from outtake.video.read.clip import open_clip

COLOURS, ALPHA = (200, 100, 50), 128


def rgba(kind: type = np.uint8, *, multiplied: bool = False) -> np.ndarray:
    colours = np.array(COLOURS) * (ALPHA / 255 if multiplied else 1)
    pixels = np.empty((16, 24, 4), np.uint8)
    pixels[...] = (*np.rint(colours), ALPHA)
    pixels[:4, :, 3] = 255 if not multiplied else ALPHA
    return pixels * kind(257) if kind == np.uint16 else pixels


def read(path: Path):
    (frame,) = open_clip(path)
    return frame


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("multiplied", [False, True])
def test_a_tiff_says_whether_its_colours_are_multiplied(tmp_path, kind, multiplied):
    extra = "assocalpha" if multiplied else "unassalpha"
    pixels = rgba(kind, multiplied=multiplied)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=[extra])
    frame = read(tmp_path / "a.tif")
    assert np.abs(frame.image.astype(int) - COLOURS).max() <= (1 if multiplied else 0)
    assert np.array_equal(frame.stored.alpha, pixels[..., 3])
    if kind == np.uint16:
        assert np.abs(frame.image16 / 257 - COLOURS).max() <= (1 if multiplied else 0)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_compressed_tiff_keeps_its_colours(tmp_path, compression):
    Image.fromarray(rgba()).save(tmp_path / "a.tiff", compression=compression)
    assert (read(tmp_path / "a.tiff").image == COLOURS).all()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_tiff_is_turned_with_its_alpha(tmp_path, orientation):
    Image.fromarray(rgba()).save(tmp_path / "a.tiff", tiffinfo={274: orientation})
    frame = read(tmp_path / "a.tiff")
    turns = {1: 0, 3: 2, 6: -1, 8: 1}[orientation]
    assert np.array_equal(frame.stored.alpha, np.rot90(rgba()[..., 3], turns))
    assert frame.image.shape[:2] == frame.stored.alpha.shape and (frame.image == COLOURS).all()


@pytest.mark.parametrize("suffix", ["png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_alpha_is_turned_as_exif_turns_the_picture(tmp_path, suffix, orientation):
    pixels = rgba()
    pixels[:, :5, 3] = 255
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", exif=exif, **options)
    turned = ImageOps.exif_transpose(Image.open(tmp_path / f"a.{suffix}"))
    frame = read(tmp_path / f"a.{suffix}")
    assert np.array_equal(frame.stored.alpha, np.asarray(turned)[..., 3])
    assert frame.image.shape[:2] == frame.stored.alpha.shape and (frame.image == COLOURS).all()


def test_grey_with_alpha_keeps_both(tmp_path):
    grey = np.ascontiguousarray(rgba()[..., [0, 3]])
    Image.fromarray(grey, "LA").save(tmp_path / "a.tif")
    frame = read(tmp_path / "a.tif")
    assert (frame.image == 200).all()
    assert np.array_equal(frame.stored.alpha, grey[..., 1])


def test_a_tiff_that_does_not_say_what_its_fourth_channel_is_stays_as_it_is(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", rgba(), photometric="rgb", extrasamples=["unspecified"])
    assert (read(tmp_path / "a.tif").image == COLOURS).all()
