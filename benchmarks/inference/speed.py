"""Backends against each other: time, agreement with PyTorch in float32, and mIoU on CamVid val.

    OUTTAKE_DATA=PATH python -m benchmarks.inference.speed CHECKPOINT [--short-side 180 202]

"network" is the forward pass alone on one 16:9 frame, "labels" also brings its logits to labels at
960x540; both in milliseconds of wall clock and of processor time, the best of some runs. Agreement
and mIoU are those of all 101 validation frames at their own size. bfloat16 in OpenVINO and float16
need hardware that not every machine has: a line says which were left out, and why.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from outtake.config.load_trained import load_trained
from outtake.config.trained_model import TrainedModel
from outtake.core.errors import OuttakeError
from outtake.core.types import Frame, LabelMap
from outtake.data.camvid import CamVid
from outtake.data.resize import resize, resize_short_side, short_side_size
from outtake.evaluation.confusion_matrix import ConfusionMatrix
from outtake.evaluation.metrics import scores
from outtake.inference.int8_calibration import iter_training_images
from outtake.inference.open_backend import open_backend
from outtake.inference.protocol import Backend
from outtake.inference.torch_backend import TorchBackend

FRAME = (540, 960)
RUNS = 12
KINDS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
    ("onnxruntime", "float32"),
)


def best_ms(call: Callable[[], object], runs: int = RUNS) -> tuple[float, float]:
    """Return the least wall clock and the least processor time of ``call``, in milliseconds."""
    call()
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return 1000 * min(walls), 1000 * min(cpus)


def label_all(backend: Backend, source: CamVid, short_side: int | None) -> list[LabelMap]:
    """Return labels of every validation frame, at its own size."""
    found = []
    for sample in source.samples("val"):
        image = source.read_image(sample)
        labels, _ = backend(resize_short_side(image, short_side)[None], image.shape[:2])
        found.append(labels[0])
    return found


def miou(labels: Iterable[LabelMap], source: CamVid) -> float:
    """Return the mIoU on the validation split."""
    space = source.labels
    matrix = ConfusionMatrix(len(space.names), space.ignore_index)
    for sample, found in zip(source.samples("val"), labels, strict=True):
        truth = torch.from_numpy(source.read_mask(sample).astype(np.int64))
        matrix.update(torch.from_numpy(found.astype(np.int64)), truth)
    return float(scores(matrix.counts(), space.names)["miou"])


def measure(trained: TrainedModel, source: CamVid, kinds: Iterable[tuple[str, str]]) -> None:
    """Print the table of one checkpoint at one resolution."""
    height, width = short_side_size(*FRAME, trained.short_side)
    frame: Frame = resize(source.read_image(source.samples("val")[0]), (height, width))[None]
    reference = label_all(TorchBackend(trained.task, "cpu"), source, trained.short_side)
    whole = miou(reference, source)
    print(f"\nshort side {trained.short_side}: {width}x{height}; reference mIoU {whole:.4f}\n")
    print("| backend | precision | network ms (CPU) | labels ms (CPU) | agreement | mIoU | loss |")
    print("|---|---|---|---|---|---|---|")
    for name, precision in kinds:
        try:
            backend = open_backend(
                name,
                trained,
                device="cpu",
                precision=precision,
                calibration=lambda: iter_training_images(source),
            )
        except OuttakeError as error:
            print(f"| {name} | {precision} | left out: {error} | | | | |")
            continue
        network = backend.network  # a Labeller, on the CPU
        forward = best_ms(lambda run=network: run(frame))
        both = best_ms(lambda run=backend: run(frame, FRAME))
        found = label_all(backend, source, trained.short_side)
        agreement = np.mean([(a == b).mean() for a, b in zip(found, reference, strict=True)])
        score = miou(found, source)
        print(
            f"| {name} | {precision} | {forward[0]:.1f} ({forward[1]:.1f}) "
            f"| {both[0]:.1f} ({both[1]:.1f}) | {agreement:.3%} | {score:.4f} "
            f"| {100 * (whole - score):+.2f} |",
            flush=True,
        )


def main() -> None:
    """Measure every backend in every precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", help="a run folder or .ckpt file, trained on CamVid")
    parser.add_argument("--short-side", type=int, nargs="+", help="default: the checkpoint's own")
    parser.add_argument("--only", nargs="+", help="as openvino-int8")
    arguments = parser.parse_args()
    trained = load_trained(arguments.checkpoint)
    source = CamVid(Path(os.environ["OUTTAKE_DATA"]) / "camvid")
    kinds = [kind for kind in KINDS if not arguments.only or "-".join(kind) in arguments.only]
    for side in arguments.short_side or [trained.short_side]:
        measure(replace(trained, short_side=side), source, kinds)


if __name__ == "__main__":
    main()
