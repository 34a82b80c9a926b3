"""From labels to masks: the loss from labelling fewer frames, and the gain of the mask stage.

    OUTTAKE_DATA=PATH python -m benchmarks.removal.masks [CHECKPOINT]
        [--only propagation vote shadows time]

``propagation``: mIoU on the CamVid val drive (15 frames per second) when the network labels every
k-th frame and optical flow propagates the labels to the others, and when labels are just held.
``vote``: an object pasted over ``tennis``; 10% of its masks are missing and the others have random
gaps. PSNR inside the object if the true background shows inside the dilated mask.
``shadows``: precision and recall of cast shadows on ``data=scenes``, outside the rim of the objects
that dilation covers anyway, and precision with a tolerance of two pixels.
``time``: the mask stage at 960x540. Times are processor time per frame, OpenCV in one thread.
``propagation`` and ``time`` use the labels of the checkpoint; without one, ``propagation`` is left
out, and ``time`` uses the annotations of CamVid.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.removal.clips import data_folder, read, read_mask
from outtake.config.load_trained import load_trained
from outtake.core.device import resolve_device
from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap, Mask, TimedFrame
from outtake.data.camvid import CamVid
from outtake.data.scenes import Scenes
from outtake.evaluation.metrics import scores
from outtake.inference.clip_predictor import ClipPredictor
from outtake.inference.torch_backend import TorchBackend
from outtake.masking.label_propagation import LabelPropagator
from outtake.masking.policy import MaskPolicy

PARTS = ("propagation", "vote", "shadows", "time")
STRIDES = (1, 2, 3, 5)
MOVING = ("car", "pedestrian", "bicyclist")
OBJECT = LabelSpace.from_names(("background", "object"))
SEEDS = 3
SCORED_PIXELS = 50


def camvid_drive() -> tuple[list[TimedFrame], list[LabelMap], LabelSpace]:
    """Return the CamVid val drive, its annotations and classes."""
    source = CamVid(str(data_folder() / "camvid"))
    pairs = source.samples("val")
    frames = [
        TimedFrame(source.read_image(pair), number, Fraction(1, 15))
        for number, pair in enumerate(pairs)
    ]
    return frames, [source.read_mask(pair) for pair in pairs], source.labels


def predict_labels(checkpoint: str, frames: Sequence[TimedFrame]) -> list[LabelledFrame]:
    """Return the labels that a checkpoint gives to each frame."""
    trained = load_trained(checkpoint, resolve_device("cpu"))
    backend = TorchBackend(trained.task, "cpu")
    predictor = ClipPredictor(
        backend, trained.labels, short_side=trained.short_side, channels=trained.channels
    )
    return list(predictor(frames))


class _KnownLabels:
    """Returns labels that were predicted before."""

    stride = 1

    def __init__(self, labelled: Sequence[LabelledFrame]) -> None:
        self._labelled = labelled

    def __call__(self, clip: Iterable[TimedFrame]) -> Iterator[LabelledFrame]:
        for frame in clip:
            yield self._labelled[frame.pts]


def measure_propagation(labelled: Sequence[LabelledFrame], truth: Sequence[LabelMap]) -> None:
    """Print mIoU by how many frames the network sees."""
    network = _KnownLabels(labelled)
    frames = [item.frame for item in labelled]
    print("        every  mIoU propagated  mIoU held  ms/frame")
    for every in STRIDES:
        begun = time.process_time()
        propagated = [item.labels for item in LabelPropagator(network, every)(frames)]
        spent_ms = 1000 * (time.process_time() - begun) / len(frames)
        held = [labelled[number // every * every].labels for number in range(len(frames))]
        both = [miou(labels, truth, labelled[0].label_space) for labels in (propagated, held)]
        print(f"{every:13}  {both[0]:15.2%}  {both[1]:9.2%}  {spent_ms:8.1f}")


def miou(labels: Sequence[LabelMap], truth: Sequence[LabelMap], space: LabelSpace) -> float:
    """Return the mean IoU over all frames."""
    matrix = np.zeros((len(space.names),) * 2, np.int64)
    for found, true in zip(labels, truth, strict=True):
        counted = true != space.ignore_index
        index = true[counted].astype(np.int64) * len(space.names) + found[counted]
        matrix += np.bincount(index, minlength=matrix.size).reshape(matrix.shape)
    return float(scores(matrix, space.names)["miou"])


def measure_vote() -> None:
    """Print how much of an object shows before and after the vote over its masks."""
    folder = data_folder() / "tennis"
    frames = [read(path) for path in sorted((folder / "frames").iterdir())]
    holes = [read_mask(path) for path in sorted((folder / "holes_object").iterdir())]
    skins = [item.image for item in camvid_drive()[0][:: 100 // SEEDS]]
    print("seed  every frame by itself  vote over t-2..t+2  recovered  ms/frame")
    for seed in range(SEEDS):
        shown = _paste_object(frames, holes, skins[seed])
        damaged = _damage_masks(holes, seed)
        clip = [
            LabelledFrame(TimedFrame(image, number, Fraction(1, 24)), labels, OBJECT)
            for number, (image, labels) in enumerate(zip(shown, damaged, strict=True))
        ]
        alone = [item.mask for item in MaskPolicy([1], vote=0)(clip)]
        begun = time.process_time()
        voted = [item.mask for item in MaskPolicy([1])(clip)]
        spent_ms = 1000 * (time.process_time() - begun) / len(clip)
        before, after = (_psnr(frames, shown, holes, masks) for masks in (alone, voted))
        gain = after - before
        print(f"{seed:4}  {before:21.1f}  {after:18.1f}  {gain:9.1f}  {spent_ms:8.1f}")


def _paste_object(frames: Sequence[Frame], holes: Sequence[Mask], skin: Frame) -> list[Frame]:
    """Give the holes a skin that moves along with their middle."""
    height, width = frames[0].shape[:2]
    skin = cv2.resize(skin, (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
    middles = np.array([np.argwhere(hole).mean(axis=0) for hole in holes])
    ends = np.pad(middles, ((4, 4), (0, 0)), "edge")
    smooth = np.stack([np.convolve(ends[:, axis], np.full(9, 1 / 9), "valid") for axis in (0, 1)])
    shown = []
    for frame, hole, middle in zip(frames, holes, smooth.T, strict=True):
        image = frame.copy()
        at = np.rint(np.argwhere(hole) - middle + (height, width)).astype(int)
        image[hole] = skin[at[:, 0].clip(0, 2 * height - 1), at[:, 1].clip(0, 2 * width - 1)]
        shown.append(image)
    return shown


def _damage_masks(holes: Sequence[Mask], seed: int) -> Iterator[LabelMap]:
    draw = np.random.default_rng(seed)
    for hole in holes:
        if draw.random() < 0.1:
            yield np.zeros(hole.shape, np.uint8)
            continue
        labels = hole.astype(np.uint8)
        inside = np.argwhere(hole)
        for _ in range(2):
            row, column = (int(value) for value in inside[draw.integers(len(inside))])
            cv2.circle(labels, (column, row), int(draw.integers(4, 12)), 0, cv2.FILLED)
        yield labels


def _psnr(
    truth: Sequence[Frame], shown: Sequence[Frame], holes: Sequence[Mask], masks: Sequence[Mask]
) -> float:
    errors = []
    for true, image, hole, mask in zip(truth, shown, holes, masks, strict=True):
        if np.count_nonzero(hole) >= SCORED_PIXELS:
            off = np.where(mask[..., None], 0.0, image.astype(float) - true)
            errors.append(float(np.mean(off[hole] ** 2)))
    return float(10 * np.log10(255**2 / np.mean(errors)))


def measure_shadows(clips: int = 3, frames: int = 72) -> None:
    """Print how well cast shadows are found."""
    source = Scenes(height=270, width=480)
    found = near = wrong = missed = 0
    spent_s = 0.0
    for index in range(clips):
        clip = source.clip("test", index, frames)
        scenes = list(clip)
        items = [
            LabelledFrame(TimedFrame(scene.image, number, 1 / clip.fps), scene.labels, clip.labels)
            for number, scene in enumerate(scenes)
        ]
        ids = clip.labels.ids(source.object_names)
        plain = [item.mask for item in MaskPolicy(ids, dilate=0)(items)]
        begun = time.process_time()
        masks = [item.mask for item in MaskPolicy(ids, dilate=0, shadows=True)(items)]
        spent_s += time.process_time() - begun
        for scene, mask, without in zip(scenes, masks, plain, strict=True):
            beyond = ~_dilate(without, 4)
            added, truth = mask & beyond, scene.shadow & beyond
            found += int(np.count_nonzero(added & truth))
            wrong += int(np.count_nonzero(added & ~truth))
            near += int(np.count_nonzero(added & _dilate(scene.shadow, 2)))
            missed += int(np.count_nonzero(truth & ~added))
    print("shadows: precision  within 2 px  recall  ms/frame")
    print(
        f"         {found / (found + wrong):9.1%}  {near / (found + wrong):11.1%}  "
        f"{found / (found + missed):6.1%}  {1000 * spent_s / clips / frames:8.1f}"
    )


def _dilate(mask: Mask, radius_px: int) -> NDArray[np.bool_]:
    tip = np.ones((2 * radius_px + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), tip) > 0)


def measure_time(labelled: Sequence[LabelledFrame]) -> None:
    """Print what the mask stage takes at 960x540."""
    clip = [
        LabelledFrame(
            TimedFrame(cv2.resize(item.frame.image, (960, 540)), number, Fraction(1, 15)),
            cv2.resize(item.labels, (960, 540), interpolation=cv2.INTER_NEAREST),
            item.label_space,
        )
        for number, item in enumerate(labelled[:60])
    ]
    for title, vote, shadows in (
        ("mask stage", 2, False),
        ("without vote", 0, False),
        ("with shadows", 2, True),
    ):
        policy = MaskPolicy.from_names(
            clip[0].label_space, remove=MOVING, vote=vote, shadows=shadows
        )
        best_s = min(_time_policy(policy, clip) for _ in range(3))
        print(f"{title:13} {1000 * best_s / len(clip):6.2f} ms/frame at 960x540")


def _time_policy(policy: MaskPolicy, clip: Sequence[LabelledFrame]) -> float:
    begun = time.process_time()
    for _ in policy(clip):
        pass
    return time.process_time() - begun


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", nargs="?", help="a run folder or .ckpt trained on CamVid")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if {"propagation", "time"} & set(options.only):
        frames, truth, space = camvid_drive()
        if options.checkpoint:
            labelled = predict_labels(options.checkpoint, frames)
        else:
            labelled = [
                LabelledFrame(frame, labels, space)
                for frame, labels in zip(frames, truth, strict=True)
            ]
        if "propagation" in options.only and options.checkpoint:
            measure_propagation(labelled, truth)
        if "time" in options.only:
            measure_time(labelled)
    if "vote" in options.only:
        measure_vote()
    if "shadows" in options.only:
        measure_shadows()


if __name__ == "__main__":
    main()
