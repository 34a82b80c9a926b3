"""Pictures of masks are turned as they say; what cannot be read is answered in one line."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from outtake.core.errors import VideoError
from outtake.masking.mask_picture import read_mask_picture
from outtake.video.read.safety_limits import SafetyLimits


def test_a_tiff_that_points_beyond_its_end_is_damaged(tmp_path):
    file = tmp_path / "m.tif"
    tifffile.imwrite(file, np.zeros((8, 8), np.uint16))
    content = bytearray(file.read_bytes())
    content[4:8] = (2**31).to_bytes(4, "little")  # where its first picture is described
    file.write_bytes(content)
    with pytest.raises(VideoError, match="it is damaged or not a picture"):
        read_mask_picture(file, SafetyLimits())


def test_deep_colours_that_are_compressed_by_lzw_are_read(tmp_path):
    colours = np.random.default_rng(0).integers(0, 65536, (8, 12, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "m.tif"), colours[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert np.array_equal(read_mask_picture(tmp_path / "m.tif", SafetyLimits()).values, colours)


@pytest.mark.parametrize("name", ["stack.tif", "fiji.tif", "stack.npy", "moves.gif"])
def test_a_stack_of_masks_is_refused_by_the_number_of_its_pictures(tmp_path, name):
    file, stack = tmp_path / name, np.zeros((6, 8, 12), np.uint8)
    stack[:, :4] = np.arange(6)[:, None, None] + 1
    if name == "stack.npy":
        np.save(file, stack)
    elif name == "moves.gif":
        first, *rest = map(Image.fromarray, stack)
        first.save(file, save_all=True, append_images=rest)
    else:
        tifffile.imwrite(file, stack, imagej=name == "fiji.tif")
    with pytest.raises(VideoError, match=r"holds 6 pictures, and a mask is one; store each as"):
        read_mask_picture(file, SafetyLimits())


def test_a_thumbnail_and_planes_of_colours_are_no_further_masks(tmp_path):
    mask = np.zeros((8, 12), np.uint8)
    mask[2:4] = 255
    with tifffile.TiffWriter(tmp_path / "thumbnail.tif") as writer:
        writer.write(mask)
        writer.write(mask[::2, ::2], subfiletype=1)
    tifffile.imwrite(
        tmp_path / "planes.tif", np.stack([mask] * 3).astype(np.uint16), photometric="rgb",
        planarconfig="separate",
    )  # fmt: skip
    for name in ("thumbnail.tif", "planes.tif"):
        values = read_mask_picture(tmp_path / name, SafetyLimits()).values
        assert np.array_equal(values, mask), name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["grey.png", "palette.png", "deep.png", "deep.tif", "grey.tif"])
def test_a_mask_is_turned_as_its_exif_data_say(tmp_path, kind, orientation):
    file, exif = tmp_path / kind, Image.Exif()
    exif[274] = orientation
    values = np.arange(24, dtype=np.uint8).reshape(4, 6)
    deep = np.dstack([values.astype(np.uint16) * 257 + n for n in range(3)])
    if kind == "deep.png":
        write_deep_png(file, deep, exif)
    elif file.suffix == ".tif":
        shown = deep if kind == "deep.tif" else values
        tifffile.imwrite(file, shown, extratags=[(274, "H", 1, orientation, True)])
    else:
        image = Image.fromarray(values)
        if kind == "palette.png":
            image.putpalette([0, 0, 0, *range(1, 250), *([9] * 516)])
        image.save(file, exif=exif)
    picture = read_mask_picture(file, SafetyLimits())
    assert picture.indexed == (kind == "palette.png")
    turn = {2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
            6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
            8: np.rot90}.get(orientation, np.asarray)  # fmt: skip
    expected = deep if kind.startswith("deep") else values
    assert np.array_equal(picture.values, turn(expected))


def write_deep_png(file, values, exif):
    """Write a PNG of 16 bits and colours; Pillow writes 8, and OpenCV no EXIF data."""
    encoded = cv2.imencode(".png", values[..., ::-1])[1].tobytes()
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = b"eXIf" + content
    told = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    after_header = 8 + 25
    file.write_bytes(encoded[:after_header] + told + encoded[after_header:])
