"""Pictures that are uploaded for layers: any usual kind, what is converted said, bombs refused."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import UnreadableImageError
from outtake.studio.layer_pictures import LayerPictures, decode_picture


@pytest.fixture
def colours():
    small = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    return cv2.resize(small, (40, 24), interpolation=cv2.INTER_CUBIC)


def pack(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "JPEG", "GIF"])
def test_usual_kinds_are_read(colours, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    found, notes = decode_picture(pack(Image.fromarray(colours), kind, **options))
    assert found.shape == (24, 40, 4) and (found[..., 3] == 255).all() and notes == []
    far = np.abs(found[..., :3].astype(int) - colours).mean()
    assert far == 0 if kind not in ("JPEG", "GIF") else far < 12


def test_alpha_grey_palettes_and_orientation_are_kept(colours):
    rgba = np.dstack([colours, np.full((24, 40), 90, np.uint8)])
    assert np.array_equal(decode_picture(pack(Image.fromarray(rgba), "PNG"))[0], rgba)
    grey = decode_picture(pack(Image.fromarray(colours[..., 0]), "PNG"))[0]
    assert np.array_equal(grey[..., 2], colours[..., 0])
    palette = Image.fromarray((colours[..., 0] > 99).astype(np.uint8)).convert("P")
    cleared = decode_picture(pack(palette, "PNG", transparency=0))[0]
    assert np.array_equal(cleared[..., 3] == 0, np.asarray(palette) == 0)
    turned = Image.Exif()
    turned[274] = 6
    found = decode_picture(pack(Image.fromarray(colours), "PNG", exif=turned))[0]
    assert np.array_equal(found[..., :3], np.rot90(colours, -1))


def test_what_is_converted_is_said(colours):
    deep = cv2.imencode(".png", colours.astype(np.uint16) * 257)[1].tobytes()
    found, notes = decode_picture(deep)
    assert notes == ["its 16 bits become 8"] and np.array_equal(found[..., 2::-1], colours)
    grey = cv2.imencode(".png", colours[..., 0].astype(np.uint16) * 257)[1].tobytes()
    found, notes = decode_picture(grey)
    assert notes == ["its 16 bits become 8"] and np.array_equal(found[..., 0], colours[..., 0])
    cmyk = pack(Image.fromarray(colours).convert("CMYK"), "JPEG")
    assert decode_picture(cmyk)[1] == ["its CMYK colours become RGB"]
    frames = [Image.fromarray(np.roll(colours, n, 0)) for n in range(3)]
    moving = pack(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_picture(moving)[1] == ["the first of its 3 pictures is taken"]


def bomb(width, height, content=b""):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    packed = chunk(b"IDAT", zlib.compress(content))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + packed + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"\0" * 99,
        bomb(100_000, 100_000), bomb(8000, 8000), bomb(0, 5), bomb(20_000, 2), bomb(4, 4, b"\0"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_one_line(content):
    with pytest.raises(UnreadableImageError) as error:
        decode_picture(content)
    assert "\n" not in str(error.value)


def test_cut_off_pictures_are_refused(colours):
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF"):
        whole = pack(Image.fromarray(colours), kind)
        with pytest.raises(UnreadableImageError):
            decode_picture(whole[: len(whole) * 2 // 3])
    floats = pack(Image.fromarray(np.ones((3, 3), np.float32)), "TIFF")
    with pytest.raises(UnreadableImageError, match="32 bits"):
        decode_picture(floats)


def test_equal_pictures_are_one_file_and_read_as_they_were(tmp_path, colours):
    rgba = np.dstack([colours, colours[..., 0]])
    kept = LayerPictures(tmp_path)
    digest = kept.add(rgba)
    assert kept.add(rgba.copy()) == digest and len(list((tmp_path / "layers").iterdir())) == 1
    assert np.array_equal(LayerPictures(tmp_path).read(digest), rgba)
    assert kept.size(digest) == (24, 40)
