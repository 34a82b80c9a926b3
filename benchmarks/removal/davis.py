"""The DAVIS protocol of video completion, on folders that the user supplies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from benchmarks.removal.clips import read, read_mask
from benchmarks.removal.scores import psnr, squared_error, ssim_window
from benchmarks.removal.shots import HIDDEN
from outtake.core.errors import DataRootError
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask, TimedFrame

WIDTH, HEIGHT = 432, 240
DILATIONS = 4
WINDOW_PX = 65
_PICTURES = (".jpg", ".jpeg", ".png")

Stage = Callable[[Iterator[MaskedFrame]], Iterator[FilledFrame]]


def davis(folder: Path, removers: Mapping[str, Callable[[], Stage]], frames: int | None) -> None:
    """Print PSNR and SSIM of whole frames, the mean over all frames of all clips.

    Frames and masks are resized to 432x240, and masks are dilated by four steps of a 3x3 cross, as
    in the published evaluations. The composite is scored, so pixels outside the mask are perfect.
    """
    clips = find_clips(folder)
    print(
        f"{'clip':22}{'remover':12}{'PSNR dB':>9}{'SSIM':>9}   {WIDTH}x{HEIGHT}, {len(clips)} clips"
    )
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in removers}
    for name, (pictures, masks) in clips.items():
        truths = [resize_to_protocol(read(path), cv2.INTER_LINEAR) for path in pictures[:frames]]
        holes = [dilate_mask(read_mask(path)) for path in masks[: len(truths)]]
        for remover, make in removers.items():
            here = list(score_frames(truths, holes, make()))
            scores[remover] += here
            _print_row(name, remover, here)
    for remover, values in scores.items():
        _print_row("all", remover, values)


def score_frames(
    truths: list[Frame], holes: list[Mask], remover: Stage
) -> Iterator[tuple[float, float]]:
    """Yield PSNR and SSIM of each frame that has a hole."""
    items = []
    for t, (truth, hole) in enumerate(zip(truths, holes, strict=True)):
        shown = truth.copy()
        shown[hole] = HIDDEN
        items.append(MaskedFrame(TimedFrame(shown, t, Fraction(1, 24)), hole, number=t))
    for filled, truth, hole in zip(remover(iter(items)), truths, holes, strict=True):
        if hole.any():
            composite = np.where(hole[..., None], filled.frame.image, truth)
            everything = np.ones(hole.shape, bool)
            error = squared_error(truth, composite, everything)
            yield psnr([error]), ssim_window(truth, composite, WINDOW_PX)


def find_clips(folder: Path) -> dict[str, tuple[list[Path], list[Path]]]:
    """Return the frames and masks of each clip.

    Without ``test_masks``, each clip gets the objects in ``Annotations`` of the next one: the truth
    behind a clip's own objects is unknown.

    Raises:
        DataRootError: A folder or a file is missing.
    """
    frames, masks = folder / "JPEGImages" / "480p", folder / "test_masks"
    names = (
        sorted(path.name for path in frames.iterdir() if path.is_dir()) if frames.is_dir() else []
    )
    if not names:
        raise DataRootError(f"{frames}: holds no clips; --davis needs JPEGImages/480p/CLIP/*.jpg")
    source = {name: masks / name for name in names}
    if not masks.is_dir():
        objects = folder / "Annotations" / "480p"
        others = names[1:] + names[:1]
        source = {name: objects / other for name, other in zip(names, others, strict=True)}
        print(f"no {masks}: the objects of each clip are the holes of the one before it")
    clips = {}
    for name in names:
        pictures, holes = (_list_pictures(path) for path in (frames / name, source[name]))
        if not pictures or not holes:
            raise DataRootError(f"{source[name]}: no masks for the clip {name}")
        # Another clip may have fewer masks, which are then played back and forth.
        cycle = holes + holes[-2:0:-1]
        clips[name] = (pictures, [cycle[t % len(cycle)] for t in range(len(pictures))])
    return clips


def resize_to_protocol(picture: Frame, method: int) -> Frame:
    """Resize a picture to the size of the protocol."""
    return np.asarray(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=method), np.uint8)


def dilate_mask(mask: Mask) -> Mask:
    """Resize and dilate a mask as the protocol does."""
    small = resize_to_protocol(mask.astype(np.uint8), cv2.INTER_NEAREST)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return np.asarray(cv2.dilate(small, cross, iterations=DILATIONS) > 0)


def _list_pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)


def _print_row(clip: str, remover: str, scores: list[tuple[float, float]]) -> None:
    decibel, similarity = np.mean(scores, axis=0) if scores else (np.nan, np.nan)
    print(f"{clip:22}{remover:12}{decibel:9.2f}{similarity:9.4f}", flush=True)
