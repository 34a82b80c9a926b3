"""Measure how much of the network's own speed is left when a whole video goes through it.

Runs the network alone, then the overlay of a 960x540 video from file to file with the same backend,
in turn, and prints the ratio of the rates:

    python -m benchmarks.video.overlay_rate [--backend openvino] [--short-side 360] [OVERRIDE ...]

The network has random weights and at least 15 GFLOP per frame. "alone" is the backend's forward
pass without anything around it, on one frame after the other or on batches as in the overlay,
whichever is faster; the overlay also decodes, resizes, enlarges, draws and encodes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.inference.untrained import gflop, untrained_checkpoint
from benchmarks.video.keras_demo import VIDEO, make_video, moving_noise
from outtake.config.compose import compose
from outtake.data.resize import resize, short_side_size
from outtake.inference.labeller import Labeller
from outtake.inference.open_backend import open_backend
from outtake.inference.protocol import Network
from outtake.programs.infer_video import infer_video

MIN_GFLOP = 15
TARGET_RATIO = 0.90
BATCH = 4  # as in conf/infer_video.yaml


def forward_rate(
    network: Network, size: tuple[int, int], batch: int, seconds: float
) -> tuple[float, float]:
    """Return frames per second, and processor seconds per frame, of the network by itself."""
    images = np.stack([resize(image, size) for image in moving_noise(8, VIDEO)])
    network(images[:batch])
    begin, cpu, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds:
        at = done % len(images)
        done += len(network(images[at : at + batch]))
    return done / (time.perf_counter() - begin), (time.process_time() - cpu) / done


def best_rate(network: Network, size: tuple[int, int]) -> tuple[float, float]:
    """Return the faster of single frames and batches."""
    return max(forward_rate(network, size, batch, 3.0) for batch in (1, BATCH))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", default="openvino")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--short-side", type=int, default=360)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "overrides", nargs="*", help="overrides of train.py that choose another model"
    )
    options = parser.parse_args()
    model = options.overrides or ["model=fcn8s", "backbone=resnet34"]
    size = short_side_size(*VIDEO, options.short_side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_video(folder / "in.mp4", options.frames)
        checkpoint, target = folder / "random.ckpt", folder / "out.mp4"
        trained = untrained_checkpoint(
            checkpoint, [*model, f"data.short_side={options.short_side}"]
        )
        work = gflop(trained, size)
        print(f"{' '.join(model)} at {size[1]}x{size[0]}: {work:.1f} GFLOP per frame")
        if work < MIN_GFLOP:
            raise SystemExit(f"the network is too small: it needs at least {MIN_GFLOP} GFLOP")
        backend = open_backend(
            options.backend,
            trained,
            precision=options.precision,
            calibration=lambda: moving_noise(24, VIDEO),
        )
        network = backend.network if isinstance(backend, Labeller) else None
        assert network is not None, "on a GPU the forward pass is timed with its labels"
        overrides = [f"checkpoint={checkpoint}", f"input={folder / 'in.mp4'}", f"output={target}"]
        overrides += [f"backend={options.backend}", f"network.precision={options.precision}"]
        overrides += ["remover=overlay", "overwrite=true", "job.resume=false"]
        ratios = []
        for turn in range(options.rounds):
            before = best_rate(network, size)
            cpu = time.process_time()
            infer_video(compose("infer_video", overrides))
            cpu = time.process_time() - cpu
            report = json.loads(target.with_suffix(".report.json").read_text())
            after = best_rate(network, size)
            alone, alone_cpu = (statistics.mean(pair) for pair in zip(before, after, strict=True))
            whole = report["frames_per_second"]
            ratios.append(whole / alone)
            stages = "  ".join(
                f"{stage} {1e3 * seconds / report['frames']:.1f}"
                for stage, seconds in report["stage_s"].items()
            )
            print(
                f"round {turn + 1}: alone {alone:.2f}, whole {whole:.2f} frames/s, "
                f"ratio {ratios[-1]:.3f}; processor time {1e3 * alone_cpu:.0f} and "
                f"{1e3 * cpu / report['frames']:.0f} ms/frame, start included; "
                f"busy ms/frame: {stages}",
                flush=True,
            )
        print(f"median ratio {np.median(ratios):.3f} (goal: {TARGET_RATIO})")


if __name__ == "__main__":
    main()
