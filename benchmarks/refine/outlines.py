"""How well outlines fit with each option of ``refine``, and what it takes.

    python -m benchmarks.refine.outlines checkpoint=runs/NAME [split=val] [data=... data.root=PATH]

The arguments are those of ``outtake evaluate``. Each row is one option, on the same logits: mIoU,
the boundary F-score at 1.5 pixels and at 0.75% of the diagonal (means over images, then over
classes), the differences from none, and the median of the processor time of an image on one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from outtake.config.compose import compose
from outtake.config.evaluation_data import build_eval_data
from outtake.config.instantiate import instantiate
from outtake.config.load_trained import load_trained
from outtake.core.types import Frame, LabelMap
from outtake.evaluation.boundary import count_boundary
from outtake.evaluation.confusion_matrix import ConfusionMatrix
from outtake.evaluation.metrics import scores
from outtake.inference.upsample_argmax import upsample_argmax
from outtake.refine.refiner import Refiner, refine_logits

OPTIONS = ("none", "smooth", "regions")
NEAR_PX = 1.5

Sample = tuple[Frame, NDArray[np.float32], LabelMap]


def iter_samples(overrides: list[str]) -> Iterator[tuple[Sample, int, int]]:
    """Yield image, logits and true labels of each sample, with the classes and the ignore index."""
    cfg = compose("evaluate", [*overrides, "workers=0"])
    trained = load_trained(cfg.checkpoint)
    labels = trained.labels
    for batch in build_eval_data(trained, cfg).eval_loader(cfg.split):
        with torch.inference_mode():
            logits = trained.task.predict(batch["image"]).float().permute(0, 2, 3, 1).numpy()
        images = batch["image"].permute(0, 2, 3, 1).numpy()
        truths = batch["mask"].to(torch.uint8).numpy()
        for image, own, truth in zip(images, logits, truths, strict=True):
            sample = np.ascontiguousarray(image), np.ascontiguousarray(own), truth
            yield sample, len(labels.names), labels.ignore_index


class OptionScores:
    """What one option of ``refine`` scores."""

    def __init__(self, option: str) -> None:
        self.option = option
        built = instantiate(compose("evaluate", [f"refine={option}", "checkpoint=any"]).refine)
        self._refiner: Refiner | None = None if option == "none" else built
        self._confusion: ConfusionMatrix | None = None
        self._fine: list[NDArray[np.float64]] = []
        self._coarse: list[NDArray[np.float64]] = []
        self._seconds: list[float] = []

    def add(self, sample: Sample, classes: int, ignore_index: int) -> None:
        """Count one image."""
        image, logits, truth = sample
        if self._refiner is not None:
            began = time.process_time()
            logits = refine_logits(self._refiner, image[None], logits[None])[0]
            self._seconds.append(time.process_time() - began)
        found, _ = upsample_argmax(logits, (truth.shape[0], truth.shape[1]))
        if self._confusion is None:
            self._confusion = ConfusionMatrix(classes, ignore_index)
        self._confusion.update(torch.from_numpy(found)[None], torch.from_numpy(truth)[None])
        self._fine.append(count_boundary(found, truth, classes, ignore_index, NEAR_PX).f_score)
        self._coarse.append(count_boundary(found, truth, classes, ignore_index).f_score)

    def figures(self) -> tuple[float, float, float, float]:
        """Return mIoU, both boundary F-scores in percent, and milliseconds."""
        assert self._confusion is not None
        matrix = self._confusion.counts()
        miou = scores(matrix, [str(index) for index in range(len(matrix))])["miou"]
        fine, coarse = (
            100 * float(np.nanmean(np.nanmean(np.array(each), axis=0)))
            for each in (self._fine, self._coarse)
        )
        ms = 1000 * float(np.median(self._seconds)) if self._seconds else 0.0
        return 100 * float(miou), fine, coarse, ms


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    options = [OptionScores(option) for option in OPTIONS]
    images = 0
    for sample, classes, ignore_index in iter_samples(sys.argv[1:]):
        images += 1
        for option in options:
            option.add(sample, classes, ignore_index)
    height, width = sample[1].shape[:2]
    print(f"{images} images, {classes} classes, refined at {width}x{height}")
    print(f"{'refine':8} {'mIoU':>14} {'BF 1.5 px':>14} {'BF 0.75%':>14} {'ms':>7}")
    plain = options[0].figures()
    for option in options:
        *quality, ms = option.figures()
        pairs = zip(quality, plain[:3], strict=True)
        cells = [f"{own:6.2f} ({own - base:+5.2f})" for own, base in pairs]
        print(f"{option.option:8} {' '.join(cells)} {ms:7.1f}")


if __name__ == "__main__":
    main()
