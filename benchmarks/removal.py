"""How close a removal comes to the background that was really there.

Hides known background, removes what hides it, and prints the PSNR and SSIM inside the hole and the
processor time per frame (with one thread that is the time it takes on a quiet machine):

    python benchmarks/removal.py --quick
    python benchmarks/removal.py --clips tennis/object tennis/box --removers telea plate

``tennis`` and ``camvid`` are read from the folder in the environment variable OUTTAKE_DATA; the
other clips are rendered. Hidden pixels are overwritten before any remover sees them, moving
objects of a real clip too, but those are not scored, since nobody knows what is behind them.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.data.scenery.camera import Camera, View
from outtake.data.scenery.clip import SceneClip, World
from outtake.data.scenery.dice import Dice, key_of
from outtake.data.scenery.stage import Stage
from outtake.removal import Inpaint, MaskedFrame
from outtake.removal.plate import Plate
from outtake.removal.plate.camera import Camera as Tracker
from outtake.removal.plate.sampling import project, sample
from outtake.removal.plate.window import windows
from outtake.removal.stages import with_image
from outtake.types import Frame, Mask, TimedFrame

ROOT = Path(__file__).resolve().parents[1]
SIZE = (240, 432)
HIDDEN = (255, 0, 255)
SCORED_PIXELS = 50
MOVING = (8, 9, 10)  # CamVid: car, pedestrian, bicyclist


@dataclass(frozen=True)
class Shot:
    """One frame of a benchmark.

    Attributes:
        truth: what a perfect removal shows.
        shown: the frame as the camera saw it.
        hole: removed and scored.
        own: removed too, but never scored.
    """

    truth: Frame
    shown: Frame
    hole: Mask
    own: Mask

    def masked(self, index: int) -> MaskedFrame:
        """Return the frame as a remover gets it."""
        mask = self.hole | self.own
        image = self.shown.copy()
        image[mask] = HIDDEN
        return MaskedFrame(TimedFrame(image, index, Fraction(1, 25)), mask)

    def scored(self) -> Mask:
        """Return the pixels that count."""
        grown = cv2.dilate(self.own.astype(np.uint8), np.ones((5, 5), np.uint8))
        return self.hole & (grown == 0)


def data_folder() -> Path:
    """Return where the real clips are."""
    return Path(os.environ.get("OUTTAKE_DATA") or ROOT.parent / "shared" / "data")


def tennis(holes: str) -> Callable[[int], Iterator[Shot]]:
    """The tennis clip, with the holes of a folder."""

    def shots(frames: int) -> Iterator[Shot]:
        root = data_folder() / "tennis"
        for path in sorted((root / "frames").glob("*.png"))[:frames]:
            image = read(path)
            hole, own = (
                cv2.imread(str(root / folder / path.name), cv2.IMREAD_GRAYSCALE) > 0
                for folder in (f"holes_{holes}", "own")
            )
            yield Shot(image, image, hole, own)

    return shots


def camvid_boxes(frames: int) -> Iterator[Shot]:
    """A drive at 15 frames per second: strong parallax, and boxes that stay in the picture."""
    root = data_folder() / "camvid"
    for path in sorted((root / "val").iterdir())[:frames]:
        image = read(path)
        labels = cv2.imread(str(root / "valannot" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        own = cv2.dilate(np.isin(labels, MOVING).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        yield Shot(image, image, boxes(image.shape[:2]), own)


def read(path: Path) -> Frame:
    """Read a picture as RGB."""
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def boxes(shape: Sequence[int]) -> Mask:
    """Return nine boxes that hide a tenth of the picture."""
    height, width = shape
    side = round((height * width * 0.106 / 9) ** 0.5)
    hole = np.zeros((height, width), bool)
    for y in np.linspace(0.2, 0.8, 3):
        for x in np.linspace(0.25, 0.75, 3):
            top, left = int(y * height) - side // 2, int(x * width) - side // 2
            hole[top : top + side, left : left + side] = True
    return hole


class Filming(Camera):
    """The camera of a scene, on a path of its own.

    Args:
        stage: of the scene.
        dice: of the scene.
        speed: how fast it pans, 1 for the scene's own pan, 0 for a tripod.
        jerk_px: standard deviation of an extra shift in every frame.
    """

    def __init__(self, stage: Stage, dice: Dice, speed: float, jerk_px: float) -> None:
        super().__init__(stage, dice)
        self._speed, self._jerk_px = speed, jerk_px

    def at(self, t: int) -> View:
        """Return the view of frame ``t``."""
        view = super().at(round(t * self._speed))
        dx, dy = np.random.default_rng(t).normal(0, self._jerk_px * (1 << 16), 2)
        return View(view.along, view.across, view.centre_x + int(dx), view.centre_y + int(dy))


def scene(
    speed: float, *, jerk_px: float = 0, noise: float = 1.5, exposure: float = 0, clip: int = 3
) -> Callable[[int], Iterator[Shot]]:
    """A rendered street: its objects and their shadows are the hole.

    Args:
        speed: of the camera's pan.
        jerk_px: how unsteadily it is held.
        noise: of the sensor, in grey levels.
        exposure: by which share the brightness swings.
        clip: which street.
    """

    def shots(frames: int) -> Iterator[Shot]:
        stage, key = Stage(*SIZE), key_of("scenes", 0, "test", clip)
        world = World(stage, key)
        world.camera = Filming(stage, Dice(key, "camera"), speed, jerk_px)
        for t, frame in enumerate(SceneClip(world, frames)):
            hole = (frame.image != frame.background).any(axis=2)
            hole = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            grain = np.random.default_rng(t).normal(0, noise, frame.image.shape)
            gain = 1 + exposure * np.sin(t / 5)
            truth, shown = (
                np.clip(np.rint(picture * gain + grain), 0, 255).astype(np.uint8)
                for picture in (frame.background, frame.image)
            )
            yield Shot(truth, shown, hole, np.zeros_like(hole))

    return shots


def layers(speed_px: float) -> Callable[[int], Iterator[Shot]]:
    """A camera that moves sideways past planes at five depths, with boxes to be filled."""

    def shots(frames: int) -> Iterator[Shot]:
        height, width = SIZE
        planes = [texture(height, width * 4, seed) for seed in range(5)]
        rows = np.arange(height)[:, None]
        for t in range(frames):
            image = np.zeros((height, width, 3), np.uint8)
            for index, plane in enumerate(planes):
                at = speed_px * t * (0.25 + 0.35 * index) + 20 + 2 * np.sin(t / 3 + index)
                x, y = np.meshgrid(np.arange(width) + at, np.arange(height) + np.sin(t / 4))
                seen = cv2.remap(
                    plane,
                    x.astype(np.float32),
                    y.astype(np.float32),
                    cv2.INTER_CUBIC,
                    borderMode=cv2.BORDER_WRAP,
                )
                # Every plane but the last rises like a skyline behind the next.
                skyline = height * (0.22 * index + 0.06 * np.sin(x[:1] / (25 + 9 * index)))
                front = rows >= skyline if index else np.ones((height, width), bool)
                image[front] = seen[front]
            hole = boxes(SIZE)
            yield Shot(image, image, hole, np.zeros_like(hole))

    return shots


def texture(height: int, width: int, seed: int) -> Frame:
    """Return a picture with detail at several scales."""
    dice = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for step in (4, 8, 24, 64):
        small = dice.normal(0, 9 + step / 4, (height // step + 2, width // step + 2, 3))
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + dice.uniform(70, 180, 3), 0, 255).astype(np.uint8)


CLIPS: dict[str, Callable[[int], Iterator[Shot]]] = {
    "tennis/object": tennis("object"),
    "tennis/box": tennis("box"),
    "camvid/box": camvid_boxes,
    "tripod": scene(0),
    "pan": scene(1),
    "pan/fast": scene(4, clip=1),
    "handheld": scene(0.2, jerk_px=3),
    "exposure": scene(1, exposure=0.12, clip=2),
    "parallax": layers(3),
}


def telea(clip: Iterable[MaskedFrame]) -> Iterator[TimedFrame]:
    """OpenCV's inpainting, frame by frame."""
    return Inpaint("telea")(clip)


def unaligned_median(clip: Iterable[MaskedFrame]) -> Iterator[TimedFrame]:
    """The median of what each pixel shows over the whole clip, as if the camera stood still."""
    items = list(clip)
    stack = np.stack([item.frame.image for item in items]).astype(np.float32)
    stack[np.stack([item.mask for item in items])] = np.nan
    median = middle_known(stack)
    for item in items:
        yield filled(item.frame, item.mask, median, ~np.isnan(median).any(axis=2))


def homography_median(clip: Iterable[MaskedFrame]) -> Iterator[TimedFrame]:
    """The plain median of all neighbours, aligned by one homography each."""
    for centre, neighbours in windows(clip, Tracker(), 64, 1 << 30):
        rows, columns = np.nonzero(centre.mask)
        at = np.stack((columns, rows), axis=1).astype(np.float32)
        stack = np.full((len(neighbours), len(at), 3), np.nan, np.float32)
        for row, other in zip(stack, neighbours.values(), strict=True):
            colours, seen = sample(
                other.image, other.known, project(centre.view.to(other.view), at)
            )
            row[seen] = colours[seen]
        median = np.full((*centre.mask.shape, 3), np.nan, np.float32)
        if len(stack):
            median[rows, columns] = middle_known(stack)
        yield filled(centre.frame, centre.mask, median, ~np.isnan(median).any(axis=2))


def middle_known(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median along the first axis of what is not NaN; NaN where all is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(stack, axis=0), np.float32)


def filled(frame: TimedFrame, mask: Mask, fill: NDArray[np.float32], valid: Mask) -> TimedFrame:
    """Return a frame with its mask filled where there is something, else inpainted."""
    image = frame.image.copy()
    use = mask & valid
    image[use] = np.rint(fill[use]).astype(np.uint8)
    image = Inpaint("telea").fill(image, mask & ~valid)
    return with_image(frame, image)


REMOVERS: dict[str, Callable[[], Callable[[Iterator[MaskedFrame]], Iterator[TimedFrame]]]] = {
    "telea": lambda: telea,
    "median": lambda: unaligned_median,
    "homography": lambda: homography_median,
    "plate": Plate,
}


def squared_error(truth: Frame, result: Frame, scored: Mask) -> float:
    """Return the mean squared error of the scored pixels."""
    return float(np.square(truth[scored].astype(np.float64) - result[scored]).mean())


def psnr(errors: Sequence[float]) -> float:
    """Return the PSNR of the mean of the frames' squared errors, peak 255."""
    return float(10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-4)))


def ssim(truth: Frame, result: Frame, scored: Mask) -> float:
    """Return the mean structural similarity (Wang et al. 2004) of the scored pixels' grey."""

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)

    a, b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64) for image in (truth, result))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = smooth(a), smooth(b)
    variances = smooth(a * a) - mean_a**2 + smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    similarity = luminance * (2 * covariance + c2) / (variances + c2)
    return float(similarity[scored].mean())


def measure(clip: str, remover: str, frames: int, save: Path | None) -> tuple[float, float, float]:
    """Return hole PSNR in dB, hole SSIM and milliseconds of processor time per frame."""
    shots = list(CLIPS[clip](frames))
    items = [shot.masked(index) for index, shot in enumerate(shots)]
    begin = time.process_time()
    results = [frame.image for frame in REMOVERS[remover]()(iter(items))]
    took_ms = (time.process_time() - begin) * 1e3 / len(items)
    errors, similarities = [], []
    for shot, result in zip(shots, results, strict=True):
        scored = shot.scored()
        if scored.sum() >= SCORED_PIXELS:
            errors.append(squared_error(shot.truth, result, scored))
            similarities.append(ssim(shot.truth, result, scored))
    if save is not None:
        folder = save / clip.replace("/", "_") / remover
        folder.mkdir(parents=True, exist_ok=True)
        for index, result in enumerate(results):
            bgr = cv2.cvtColor(result, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / f"{index:05d}.png"), bgr)
    return psnr(errors), float(np.mean(similarities)), took_ms


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", nargs="+", choices=CLIPS, default=list(CLIPS))
    parser.add_argument("--removers", nargs="+", choices=REMOVERS, default=list(REMOVERS))
    parser.add_argument("--frames", type=int, default=70, help="of each clip, at most")
    parser.add_argument("--quick", action="store_true", help="24 frames of each clip")
    parser.add_argument("--threads", type=int, default=1, help="for OpenCV")
    parser.add_argument("--save", type=Path, help="folder for the frames that were made")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    frames = min(options.frames, 24) if options.quick else options.frames
    print(f"{'clip':15}{'remover':12}{'PSNR dB':>8}{'SSIM':>8}{'ms/frame':>10}")
    for clip in options.clips:
        for remover in options.removers:
            decibel, similarity, took_ms = measure(clip, remover, frames, options.save)
            row = f"{clip:15}{remover:12}{decibel:8.2f}{similarity:8.3f}{took_ms:10.1f}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
