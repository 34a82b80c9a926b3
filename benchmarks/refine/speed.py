"""What refining and dividing take at 480x360, on one thread, and how well regions fit.

    OUTTAKE_DATA=PATH python -m benchmarks.refine.speed

The smoother: two classes (road against all else) and the eleven of CamVid, each the true labels
blurred into probabilities, with noise; the median of processor time with softmax and logarithm. All
eleven are smoothed in the third row, whether they are in the picture or not.

Superpixels: the mean number of regions, and the mIoU of the best that labels of whole regions can
do (each has the commonest true label), on 20 validation frames of CamVid.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from outtake.core.types import Frame, LabelMap
from outtake.data.camvid import CamVid
from outtake.evaluation.confusion_matrix import ConfusionMatrix
from outtake.evaluation.metrics import scores
from outtake.refine.refiner import refine_logits
from outtake.refine.region_map import RegionMap
from outtake.refine.smoother import Smooth
from outtake.refine.superpixels import felzenszwalb, slic, watershed

IMAGES = 20
METHODS: dict[str, Callable[[Frame], RegionMap]] = {
    "watershed 500": lambda image: watershed(image, 500),
    "watershed 1000": lambda image: watershed(image, 1000),
    "slic 1000": lambda image: slic(image, 1000),
    "felzenszwalb 60": lambda image: felzenszwalb(image, 60),
    "felzenszwalb 120": lambda image: felzenszwalb(image, 120),
}


def read_frames() -> list[tuple[Frame, LabelMap]]:
    """Return every fifth validation frame with its labels."""
    source = CamVid(str(Path(os.environ["OUTTAKE_DATA"]) / "camvid"))
    chosen = source.samples("val")[:: 101 // IMAGES][:IMAGES]
    return [(source.read_image(each), source.read_mask(each)) for each in chosen]


def fake_logits(labels: LabelMap, classes: int, *, everywhere: bool) -> NDArray[np.float32]:
    """Return logits like those of a network that is mostly right, float32 (H, W, classes)."""
    random = np.random.default_rng(0)
    planes = (labels[..., None] == np.arange(classes)).astype(np.float32)
    soft = cv2.GaussianBlur(planes, (0, 0), 4).reshape(planes.shape)
    noise = random.normal(0, 0.5, (*(side // 8 for side in labels.shape), classes))
    noise = cv2.resize(noise, labels.shape[::-1]).reshape(planes.shape)
    logits = np.log(soft + 0.003) + noise
    if everywhere:
        logits[:8, : 8 * classes] = 9 * (np.arange(8 * classes)[:, None] // 8 == np.arange(classes))
    return np.ascontiguousarray(logits, np.float32)


def time_smoother(frames: list[tuple[Frame, LabelMap]]) -> None:
    """Print what the smoother takes."""
    road = 3
    for name, classes, everywhere in (
        ("2 classes", 2, False),
        ("11 classes", 11, False),
        ("11 classes, all there", 11, True),
    ):
        spent = []
        for image, labels in frames:
            known = (labels == road).astype(np.uint8) if classes == 2 else labels
            logits = fake_logits(known, classes, everywhere=everywhere)
            began = time.process_time()
            refine_logits(Smooth(), image[None], logits[None])
            spent.append(time.process_time() - began)
        least, median = 1000 * min(spent), 1000 * float(np.median(spent))
        print(f"smooth, {name:22} {median:6.1f} ms, at least {least:5.1f}")


def score_superpixels(frames: list[tuple[Frame, LabelMap]]) -> None:
    """Print what superpixels take, and how well they fit."""
    names = [str(index) for index in range(11)]
    for name, divide in METHODS.items():
        matrix, spent, count = ConfusionMatrix(11, 255), [], 0
        for image, labels in frames:
            began = time.process_time()
            regions = divide(image)
            spent.append(time.process_time() - began)
            count += regions.count
            best = torch.from_numpy(regions.majority(labels))[None]
            matrix.update(best, torch.from_numpy(labels)[None])
        miou = 100 * float(scores(matrix.counts(), names)["miou"])
        median = 1000 * float(np.median(spent))
        print(f"{name:17} {count / len(frames):6.0f} regions  mIoU {miou:5.2f}  {median:6.1f} ms")


def main() -> None:
    """Print all figures."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    frames = read_frames()
    time_smoother(frames)
    score_superpixels(frames)


if __name__ == "__main__":
    main()
