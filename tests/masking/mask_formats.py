"""Masks as tools write them: each row writes the same objects, and says what Outtake finds.

``python -m tests.masking.mask_formats`` prints the table of ``docs/masks.md``.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import tifffile
from PIL import Image

from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_numbers import ClipFacts
from outtake.masking.mask_values import MaskValueOptions

HEIGHT, WIDTH, FRAMES = 48, 80, 3
DOCS = Path(__file__).parents[2] / "docs" / "masks.md"
BEGIN, END = "<!-- generated: mask formats -->", "<!-- end -->"
DAVIS = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128, 0, 128, 128, 128, 128,
         128, 64, 0, 0] + [64] * (3 * 247)  # fmt: skip


class Row(NamedTuple):
    """One format."""

    tool: str
    form: str
    write: Callable[[Path], object]
    given: str = ""
    exact: bool = True


def ids(frame: int) -> np.ndarray:
    """Two objects, 1 and 2, which move."""
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    found[8:24, 10 + frame : 30 + frame] = 1
    found[30:40, 50 - frame : 70 - frame] = 2
    return found


def soft(frame: int) -> np.ndarray:
    white = (ids(frame) > 0).astype(np.float32) * 255
    return cv2.GaussianBlur(white, (0, 0), 1.5).round().astype(np.uint8)


def images(folder: Path, make: Callable[[int], Image.Image | np.ndarray], suffix: str = ".png",
           name: str = "{:05d}", **options: object) -> None:  # fmt: skip
    for frame in range(FRAMES):
        picture = make(frame)
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        picture.save(folder / (name.format(frame) + suffix), **options)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def palette(values: np.ndarray, colours: list[int]) -> Image.Image:
    image = Image.fromarray(values, "P")
    image.putpalette(colours)
    return image


def with_alpha(frame: int, beneath: int) -> np.ndarray:
    alpha = (ids(frame) > 0).astype(np.uint8) * 255
    colour = np.full((HEIGHT, WIDTH, 3), beneath, np.uint8)
    return np.dstack([colour, alpha])


def per_file(folder: Path, suffix: str, write: Callable[[Path, int], object]) -> None:
    for frame in range(FRAMES):
        write(folder / f"{frame:05d}{suffix}", frame)


def video(path: Path, codec: str, pix_fmt: str, picture: Callable[[int], np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        for number in range(FRAMES):
            image = picture(number)
            kind = "rgba" if image.shape[2] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(image, format=kind)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def grey_rgb(frame: int) -> np.ndarray:
    return np.repeat((ids(frame) > 0).astype(np.uint8)[:, :, None] * 255, 3, axis=2)


def exr(path: Path, frame: int) -> None:
    context = av.CodecContext.create("exr", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "grayf32le"
    context.time_base = Fraction(1, 25)
    picture = av.VideoFrame.from_ndarray((ids(frame) > 0).astype(np.float32), format="grayf32le")
    path.write_bytes(b"".join(bytes(each) for each in [*context.encode(picture),
                                                      *context.encode(None)]))  # fmt: skip


def corners(frame: int) -> list[tuple[int, list[float]]]:
    """The objects as polygons, by class."""
    left, right = 10 + frame, 50 - frame
    return [(1, [left, 8, left + 20, 8, left + 20, 24, left, 24]),
            (2, [right, 30, right + 20, 30, right + 20, 40, right, 40])]  # fmt: skip


def runs(mask: np.ndarray, order: str) -> list[int]:
    flat = mask.ravel(order=order)
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return counts if not flat[0] else [0, *counts]


def coco_string(counts: list[int]) -> str:
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | 32 if more else bits) + 48)
    return text


def coco(folder: Path, segmentation: Callable[[int, int, list[float]], object]) -> None:
    pictures = [{"id": 7 + n, "file_name": f"{n:05d}.jpg", "height": HEIGHT, "width": WIDTH}
                for n in range(FRAMES)]  # fmt: skip
    shapes = [{"image_id": 7 + n, "category_id": each, "segmentation": segmentation(n, each, ring)}
              for n in range(FRAMES) for each, ring in corners(n)]  # fmt: skip
    names = [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
    tree = {"images": pictures, "annotations": shapes, "categories": names}
    (folder / "annotations.json").write_text(json.dumps(tree))


def coco_runs(folder: Path, *, packed: bool) -> None:
    def found(frame: int, each: int, ring: list[float]) -> object:
        counts = runs(ids(frame) == each, "F")
        return {"size": [HEIGHT, WIDTH], "counts": coco_string(counts) if packed else counts}

    coco(folder, found)


def youtube(folder: Path) -> None:
    shapes = [{"category_id": each, "segmentations": [
        {"size": [HEIGHT, WIDTH], "counts": runs(ids(n) == each, "F")} for n in range(FRAMES)]}
        for each in (1, 2)]  # fmt: skip
    clip = {"height": HEIGHT, "width": WIDTH, "file_names": [f"v/{n:05d}.jpg" for n in range(3)]}
    (folder / "instances.json").write_text(json.dumps({"videos": [clip], "annotations": shapes}))


def labelme(path: Path, frame: int) -> None:
    (_, first), (_, second) = corners(frame)
    bitmap = io.BytesIO()
    Image.fromarray(np.full((10, 20), 255, np.uint8)).save(bitmap, "PNG")
    packed = base64.b64encode(bitmap.getvalue()).decode()
    shapes = [
        {"label": "car", "points": np.reshape(first, (-1, 2)).tolist(), "shape_type": "polygon"},
        {"label": "person", "points": [[second[0], 30], [second[2], 40]], "shape_type": "mask",
         "mask": packed},
    ]  # fmt: skip
    path.write_text(json.dumps({"shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH}))


def points(ring: list[float]) -> str:
    return ";".join(f"{x}.0,{y}.0" for x, y in np.reshape(ring, (-1, 2)))


def cvat_images(folder: Path) -> None:
    text = ""
    for frame in range(FRAMES):
        (_, first), (_, second) = corners(frame)
        text += f'<image id="{frame}" name="{frame}.png" width="{WIDTH}" height="{HEIGHT}">'
        text += f'<polygon label="car" points="{points(first)}"/><mask label="person" rle="0, 200" '
        text += f'left="{second[0]}" top="30" width="20" height="10"/></image>'
    (folder / "annotations.xml").write_text(f"<annotations>{text}</annotations>")


def cvat_video(folder: Path) -> None:
    size = f"<height>{HEIGHT}</height><width>{WIDTH}</width>"
    text = f"<meta><task><original_size>{size}</original_size></task></meta>"
    for each in (0, 1):
        shapes = "".join(
            f'<polygon frame="{n}" outside="0" points="{points(corners(n)[each][1])}"/>'
            for n in range(FRAMES)
        )
        text += f'<track id="{each}" label="car">{shapes}</track>'
    (folder / "annotations.xml").write_text(f"<annotations>{text}</annotations>")


def yolo(path: Path, frame: int) -> None:
    sides = [WIDTH, HEIGHT] * 4
    lines = [" ".join([str(each), *(str(a / b) for a, b in zip(ring, sides, strict=True))])
             for each, ring in corners(frame)]  # fmt: skip
    path.write_text("\n".join(lines))


def white(frame: int) -> np.ndarray:
    return (ids(frame) > 0).astype(np.uint8) * 255


ROWS = [
    Row("Outtake (`remover=mask`)", "PNG, 0 and 255", lambda f: images(f, grey_rgb)),
    Row("OpenCV, NumPy scripts", "PNG, 0 and 1", lambda f: images(f, lambda n: white(n) // 255)),
    Row("any", "PNG of 1 bit", lambda f: images(f, lambda n: Image.fromarray(white(n) > 0))),
    Row("ProPainter, E2FGVI", "PNG or JPEG, smoothed", lambda f: images(f, soft), exact=False),
    Row("any", "JPEG, quality 60",
        lambda f: images(f, white, ".jpg", quality=60), exact=False),
    Row("DAVIS, SAM 2, Cutie, XMem++", "palette PNG",
        lambda f: images(f, lambda n: palette(ids(n), DAVIS))),
    Row("Sammie, DAVIS", "palette PNG, ids from 7 (grey and dark colours)",
        lambda f: images(f, lambda n: palette(np.where(ids(n), ids(n) + 6, 0).astype(np.uint8),
                                              DAVIS))),
    Row("any", "palette PNG whose index 0 is white",
        lambda f: images(f, lambda n: palette((ids(n) == 0).astype(np.uint8),
                                              [255, 255, 255, 0, 0, 0]))),
    Row("SAM 2 (`--per_obj_png_file`)", "a folder of palette PNG for each object",
        lambda f: [images(folder(f / f"{each:03d}"),
                          lambda n, each=each: palette((ids(n) == each).astype(np.uint8), DAVIS))
                   for each in (1, 2)]),
    Row("SAM 2, label maps", "grey PNG, one value for each object", lambda f: images(f, ids)),
    Row("After Effects, Photoshop", "RGBA PNG, matte in alpha over black",
        lambda f: images(f, lambda n: with_alpha(n, 0))),
    Row("rembg", "RGBA PNG, matte in alpha over white",
        lambda f: images(f, lambda n: with_alpha(n, 255))),
    Row("any", "RGBA PNG, opaque, black and white",
        lambda f: images(f, lambda n: np.dstack([grey_rgb(n), np.full_like(white(n), 255)]))),
    Row("colour-coded labels", "RGB PNG, dark colours",
        lambda f: images(f, lambda n: palette(np.where(ids(n), 8, 0).astype(np.uint8),
                                              DAVIS).convert("RGB"))),
    Row("CARLA, game engines", "RGB PNG, id in red",
        lambda f: images(f, lambda n: np.dstack([ids(n), ids(n) * 0, ids(n) * 0 + 9])),
        "masks.channel=red"),
    Row("Fusion, Nuke", "PNG of 16 bits, luma matte",
        lambda f: per_file(f, ".png", lambda p, n: cv2.imwrite(str(p), soft(n) * np.uint16(257))),
        exact=False),
    Row("ImageJ, ilastik", "TIFF of 16 bits, ids",
        lambda f: per_file(f, ".tif", lambda p, n: tifffile.imwrite(p, ids(n).astype(np.uint16)))),
    Row("ImageJ", "TIFF of 32 bits, 0.0 and 1.0",
        lambda f: per_file(f, ".tif",
                           lambda p, n: tifffile.imwrite(p, (ids(n) > 0).astype(np.float32)))),
    Row("Nuke, Blender, After Effects", "EXR", lambda f: per_file(f, ".exr", exr)),
    Row("Track-Anything, NumPy", "`.npy`, bool or ids",
        lambda f: per_file(f, ".npy", lambda p, n: np.save(p, ids(n).astype(np.int64)))),
    Row("any", "PNG, black is removed",
        lambda f: images(f, lambda n: 255 - white(n)), "masks.invert=true"),
    Row("any", "WebP", lambda f: images(f, white, ".webp", lossless=True)),
    Row("Resolve, Premiere", "H.264 video, luma matte",
        lambda f: video(f / "m.mp4", "libx264", "yuv420p", grey_rgb), exact=False),
    Row("After Effects, Motion", "ProRes 4444 video, matte in alpha",
        lambda f: video(f / "m.mov", "prores_ks", "yuva444p10le", lambda n: with_alpha(n, 0)),
        exact=False),
    Row("QuickTime Animation", "video, matte in alpha",
        lambda f: video(f / "m.mov", "qtrle", "argb", lambda n: with_alpha(n, 255))),
    Row("any", "VP9 video (WebM), matte in alpha",
        lambda f: video(f / "m.webm", "libvpx-vp9", "yuva420p", lambda n: with_alpha(n, 0)),
        exact=False),
    Row("COCO", "JSON, polygons", lambda f: coco(f, lambda n, e, r: [r]),
        exact=False),
    Row("COCO, Detectron2", "JSON, run lengths", lambda f: coco_runs(f, packed=False)),
    Row("COCO, Segment Anything, pycocotools", "JSON, compressed run lengths",
        lambda f: coco_runs(f, packed=True)),
    Row("YouTube-VIS", "JSON, a list for each object", youtube),
    Row("LabelMe, X-AnyLabeling", "JSON for each frame: polygons, masks",
        lambda f: per_file(f, ".json", labelme), exact=False),
    Row("CVAT for images", "XML: polygons, masks", cvat_images, exact=False),
    Row("CVAT for video", "XML: tracks", cvat_video, exact=False),
    Row("YOLO, Ultralytics", "text for each frame: polygons",
        lambda f: per_file(f, ".txt", yolo), exact=False),
]  # fmt: skip


def read(row: Row, folder: Path) -> tuple[list[np.ndarray], str]:
    """Write a row's masks into a folder, and return what is read and said."""
    row.write(folder)
    key, _, value = row.given.removeprefix("masks.").partition("=")
    options = MaskValueOptions(**({key: True if value == "true" else value} if key else {}))
    (first, *rest) = sorted(folder.iterdir())
    place = folder if rest or first.suffix in (".json", ".xml") else first
    clip = ClipFacts((HEIGHT, WIDTH), FRAMES, True)
    found = build_mask_source(find_mask_files(place), options, clip=clip)
    assert not found.warnings, found.warnings
    masks = [each.mask for each, _ in zip(found.source.open(), range(FRAMES), strict=False)]
    return masks, found.notes[0].removeprefix("masks: ").replace(f"{folder.name}: ", "")


def agreement(masks: list[np.ndarray]) -> float:
    """The least intersection over union of a mask with what was written."""
    pairs = [(mask > 0, ids(frame) > 0) for frame, mask in enumerate(masks)]
    return min(float((a & b).sum() / (a | b).sum()) for a, b in pairs)


def make_table() -> str:
    lines = ["| written by | as | keys | what is said |", "|---|---|---|---|"]
    for row in ROWS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "masks"
            folder.mkdir()
            _, said = read(row, folder)
        given = f"`{row.given}`" if row.given else "none"
        said = said.removeprefix("m.mp4: ").removeprefix("m.mov: ").removeprefix("m.webm: ")
        lines.append(f"| {row.tool} | {row.form} | {given} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(make_table() + "\n")
