"""What a file says beside its samples comes back with a changed picture, or has a line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from outtake.data.decode_files import decode_file
from outtake.pictures.png_chunks import insert_chunks, read_chunks
from outtake.pictures.read_picture import read_picture
from outtake.pictures.write_picture import plan_storage, write_picture
from tests.pictures.test_write_picture import HEIGHT, PROFILE, WIDTH, exif, noise, rewrite


def deep_png(path: Path, chunks: dict[bytes, bytes], array: np.ndarray) -> Path:
    """Write a PNG, of 16 bits where the array has them, with chunks behind its header."""
    made = cv2.imencode(".png", array)[1].tobytes()
    path.write_bytes(insert_chunks(made, chunks))
    return path


HDR = {
    b"cICP": bytes([9, 16, 0, 1]),
    b"mDCV": bytes(range(24)),
    b"cLLI": bytes(range(8)),
    b"gAMA": (45455).to_bytes(4, "big"),
    b"cHRM": bytes(32),
    b"sRGB": b"\0",
    b"sBIT": bytes([10, 10, 10]),
    b"pHYs": (11811).to_bytes(4, "big") + (5906).to_bytes(4, "big") + b"\1",
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_a_png_says_of_its_colours_and_resolution_is_kept(dtype: type, tmp_path: Path) -> None:
    path = deep_png(tmp_path / "in.png", HDR, noise(3, dtype))
    again, notes = rewrite(path)
    assert read_chunks(again) == (HDR, ()) and not notes
    assert decode_file(again, palette_indices=False).dtype == dtype


def test_a_chunk_that_nobody_knows_has_a_line(tmp_path: Path) -> None:
    path = deep_png(tmp_path / "in.png", {b"caBX": b"signed", b"tIME": bytes(7)}, noise(3))
    _, notes = rewrite(path)
    assert notes == ("dropped, as it is not written here: chunk caBX of PNG",)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_the_resolution_is_kept_and_turned_with_the_picture(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"in{suffix}"
    named = {} if suffix == ".bmp" else {"exif": exif(6)}
    Image.fromarray(noise(3)).save(path, dpi=(300, 150), **named)
    again, notes = rewrite(path)
    with Image.open(again) as opened:
        expected = (300, 150) if suffix == ".bmp" else (150, 300)
        assert opened.info["dpi"] == pytest.approx(expected, abs=0.1)
    assert not notes


def test_the_resolution_goes_into_tiff_of_16_bits_and_into_another_format(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    plain = {"software": False, "metadata": None}  # which would be EXIF data
    tifffile.imwrite(path, noise(3, np.uint16), resolution=(600, 300), resolutionunit=2, **plain)
    again, notes = rewrite(path)
    with Image.open(again) as opened:
        assert opened.info["dpi"] == (600, 300) and not notes
    photo = tmp_path / "in.jpg"
    Image.fromarray(noise(3)).save(photo, dpi=(200, 200))
    picture = read_picture(photo)
    write_picture(tmp_path / "out.png", plan_storage(picture, 4), picture, noise(4), None)
    with Image.open(tmp_path / "out.png") as opened:
        assert opened.info["dpi"] == pytest.approx((200, 200), abs=0.1)


@pytest.mark.parametrize(("suffix", "format"), [(".tif", "TIFF"), (".jpg", "MPO")])
def test_further_pictures_of_a_file_have_a_line(suffix: str, format: str, tmp_path: Path) -> None:
    path = tmp_path / f"in{suffix}"
    first, second = (Image.fromarray(each) for each in (noise(3), noise(3)[:12, :20]))
    first.save(path, format, save_all=True, append_images=[second])
    again, notes = rewrite(path)
    assert notes == ("it holds 2 pictures, and all but the first are dropped",)
    assert decode_file(again, palette_indices=False).shape == (HEIGHT, WIDTH, 3)


def test_pages_that_are_read_as_channels_have_a_line(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    pages = [Image.fromarray(noise(3)[..., band]) for band in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    again, notes = rewrite(path)
    assert notes == ("its 3 pages become the channels of one picture",)
    assert (decode_file(again, palette_indices=False) == noise(3)).all()


@pytest.mark.parametrize(
    ("mode", "suffix", "space", "kept"),
    [
        ("P", ".png", b"RGB ", True),
        ("P", ".png", b"GRAY", False),
        ("L", ".png", b"GRAY", True),
        ("CMYK", ".tif", b"CMYK", False),
        ("CMYK", ".jpg", b"CMYK", False),
    ],
)
def test_a_profile_of_the_colours_that_are_written_is_kept_and_another_has_a_line(
    mode: str, suffix: str, space: bytes, kept: bool, tmp_path: Path
) -> None:
    profile = PROFILE[:16] + space + PROFILE[20:]
    path = tmp_path / f"in{suffix}"
    Image.fromarray(noise(3)).convert(mode).save(path, icc_profile=profile)
    again, notes = rewrite(path)
    with Image.open(again) as opened:
        assert opened.info.get("icc_profile") == (profile if kept else None)
    assert any("colour profile is dropped" in note for note in notes) != kept


def test_a_profile_of_greys_goes_where_a_fill_has_colours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "in.png"
    profile = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    Image.fromarray(noise(1)).save(path, icc_profile=profile)
    picture = read_picture(path)
    with caplog.at_level("WARNING", "outtake"):
        write_picture(tmp_path / "o.png", plan_storage(picture, 3), picture, noise(3), None)
    assert "its profile of greys is dropped" in caplog.text
    with Image.open(tmp_path / "o.png") as opened:
        assert opened.mode == "RGB" and "icc_profile" not in opened.info


def test_tags_and_entries_that_are_not_written_have_a_line(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    scale = (33550, "d", 3, (0.5, 0.5, 0.0), True)
    oblong = {"resolution": (2, 1), "resolutionunit": "none"}
    tifffile.imwrite(path, noise(3), photometric="rgb", extratags=[scale], **oblong)
    _, notes = rewrite(path)
    assert len(notes) == 1 and "tag 33550 (ModelPixelScale" in notes[0]
    assert "its pixels are not square" in notes[0]
