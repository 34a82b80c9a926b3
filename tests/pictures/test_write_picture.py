"""A changed picture comes back in its own format, with all that the format can keep."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from outtake.data.decode_files import decode_file
from outtake.pictures.read_picture import read_picture
from outtake.pictures.write_picture import plan_storage, write_picture

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
HEIGHT, WIDTH = 24, 40


def noise(channels: int, dtype: type = np.uint8) -> np.ndarray:
    random = np.random.default_rng(channels)
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype)


def exif(orientation: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[271] = "Maker"
    found[274] = orientation
    return found


def rewrite(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Write a picture again, unchanged."""
    picture = read_picture(path)
    assert picture.image is not None
    plan = plan_storage(picture, 3)
    target = path.with_name(f"again{plan.suffix}")
    write_picture(target, plan, picture, picture.image, picture.image16)
    return target, plan.notes


@pytest.mark.parametrize(
    ("suffix", "mode", "options"),
    [
        (".png", "RGB", {}),
        (".png", "RGBA", {}),
        (".png", "L", {}),
        (".png", "LA", {}),
        (".tif", "RGB", {"compression": "tiff_lzw"}),
        (".tif", "RGBA", {}),
        (".webp", "RGBA", {"lossless": True, "exact": True}),
        (".bmp", "RGB", {}),
    ],
)
def test_eight_bits_come_back_as_they_were(
    suffix: str, mode: str, options: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / f"in{suffix}"
    array = noise(len(Image.new(mode, (1, 1)).getbands()))
    keeps = suffix != ".bmp"
    named = {"icc_profile": PROFILE, "exif": exif()} if keeps else {}
    Image.fromarray(array).save(path, **named, **options)
    again, notes = rewrite(path)
    assert again.suffix == suffix and not notes
    assert (decode_file(again, palette_indices=False) == array).all()
    with Image.open(again) as opened:
        assert opened.mode == mode
        if keeps:
            assert opened.info["icc_profile"] == PROFILE and opened.getexif()[271] == "Maker"
        if "compression" in options:
            assert opened.info["compression"] == options["compression"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_of_png_keep_every_value(channels: int, tmp_path: Path) -> None:
    path, array = tmp_path / "in.png", noise(channels, np.uint16)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    made = cv2.imencode(".png", np.atleast_3d(array)[..., order])[1].tobytes()
    path.write_bytes(made)
    again, _ = rewrite(path)
    assert (decode_file(again, palette_indices=False) == array).all()


def test_a_profile_in_a_deep_png_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    Image.fromarray(noise(1, np.uint16)).save(path, icc_profile=PROFILE, exif=exif())
    again, notes = rewrite(path)
    with Image.open(again) as opened:
        assert opened.info["icc_profile"] == PROFILE and opened.getexif()[271] == "Maker"
    assert not notes and decode_file(again, palette_indices=False).dtype == np.uint16


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_of_tiff_keep_every_value(channels: int, tmp_path: Path) -> None:
    path, array = tmp_path / "in.tif", noise(channels, np.uint16)
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    kind = "minisblack" if channels == 1 else "rgb"
    tifffile.imwrite(path, array, photometric=kind, iccprofile=PROFILE, **extra)
    again, _ = rewrite(path)
    assert (decode_file(again, palette_indices=False) == array).all()
    with tifffile.TiffFile(again) as tiff:
        assert tiff.pages.first.iccprofile == PROFILE


def test_a_turned_photo_is_written_upright_and_says_so_once(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    smooth = cv2.resize(noise(3)[:3, :5], (WIDTH * 4, HEIGHT * 4), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(smooth).save(path, exif=exif(6), icc_profile=PROFILE, quality=92)
    again, _ = rewrite(path)
    with Image.open(path) as first, Image.open(again) as opened:
        assert opened.size == first.size[::-1]
        assert 274 not in opened.getexif() and opened.getexif()[271] == "Maker"
        assert opened.info["icc_profile"] == PROFILE
        assert opened.quantization == first.quantization
    before = decode_file(path, palette_indices=False).astype(int)
    after = decode_file(again, palette_indices=False).astype(int)
    assert np.abs(before - after).mean() < 3


@pytest.mark.parametrize(
    ("suffix", "mode", "said"),
    [
        (".gif", "P", "GIF has 256 colours"),
        (".png", "P", "palette becomes RGB"),
        (".jpg", "CMYK", "CMYK colours become RGB"),
    ],
)
def test_what_cannot_be_kept_has_a_line(suffix: str, mode: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / f"in{suffix}"
    Image.fromarray(noise(3)).convert(mode).save(path)
    again, notes = rewrite(path)
    assert any(said in note for note in notes)
    assert decode_file(again, palette_indices=False).shape == (HEIGHT, WIDTH, 3)


def test_a_remover_with_alpha_makes_a_png_of_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    Image.fromarray(noise(3)).save(path)
    plan = plan_storage(read_picture(path), 4)
    assert plan.suffix == ".png" and "JPEG has no alpha" in plan.notes[0]


@pytest.mark.parametrize("filled", [False, True])
def test_a_bilevel_picture_comes_back_and_greys_in_it_are_compressed_otherwise(
    filled: bool, tmp_path: Path
) -> None:
    path = tmp_path / "fax.tif"
    Image.fromarray(noise(1) > 127).save(path, compression="group4")
    picture = read_picture(path)
    assert picture.image is not None
    image = picture.image.copy()
    if filled:
        image[:4] = 99
    write_picture(tmp_path / "again.tif", plan_storage(picture, 3), picture, image, None)
    with Image.open(tmp_path / "again.tif") as opened:
        assert opened.mode == ("L" if filled else "1")
        assert opened.info["compression"] == ("tiff_lzw" if filled else "group4")
        assert (np.asarray(opened.convert("L")) == image[..., 0]).all()


def test_texts_beside_a_picture_come_back_or_have_a_line(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    photo = Image.fromarray(noise(3))
    photo.save(tmp_path / "a.jpg", xmp=xmp, comment=b"hello")
    photo.save(tmp_path / "b.webp", xmp=xmp)
    entries = PngInfo()
    entries.add_itxt("XML:com.adobe.xmp", xmp.decode())
    entries.add_text("Title", "Ein Gru\u00df")
    photo.save(tmp_path / "c.png", pnginfo=entries)
    kept = {"a.jpg": {"xmp", "comment"}, "b.webp": {"xmp"}, "c.png": {"xmp", "Title"}}
    for name, keys in kept.items():
        with Image.open(tmp_path / name) as before:
            wanted = {key: before.info[key] for key in keys}
        again, notes = rewrite(tmp_path / name)
        assert not notes
        with Image.open(again) as after:
            assert {key: after.info[key] for key in keys} == wanted
    photo.save(tmp_path / "d.gif", comment=b"hello")
    assert any("its comment is dropped" in note for note in rewrite(tmp_path / "d.gif")[1])
    Image.fromarray(noise(1, np.uint16)).save(tmp_path / "e.png", pnginfo=entries)
    lines = rewrite(tmp_path / "e.png")[1]
    assert [line.split(" is dropped")[0].split(" are dropped")[0] for line in lines] == [
        "its XMP data",
        "its text entries",
    ]
