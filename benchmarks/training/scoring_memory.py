"""Peak memory of scoring large labels against that of training, each in a process of its own.

    python -m benchmarks.training.scoring_memory [--megapixels 12] [--classes 150] [OVERRIDE ...]

Writes images with labels of that size, and prints the peak resident size of two training steps, of
a validation and of an evaluation with outlines and confidence, at two sizes of their batch.
Loading is in the same process, so that all of it counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from omegaconf import DictConfig
from pytorch_lightning import Trainer

from outtake.config.build_data import build_data
from outtake.config.build_task import build_task
from outtake.config.compose import compose
from outtake.core.files import replace_text
from outtake.evaluation.evaluation_loop import evaluate_split
from outtake.programs.library_warnings import quiet_libraries

MODES = ("train", "validate", "evaluate")


def write_data(folder: Path, images: int, megapixels: float, classes: int) -> None:
    """Write small images to train on and large ones to score, with patches of every class."""
    draws = np.random.default_rng(0)
    for split, pixels in (("train", 0.3), ("val", megapixels)):
        height = round((pixels * 1e6 * 3 / 4) ** 0.5)
        size = (round(height * 4 / 3), height)
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(images):
            patches = draws.integers(0, classes, (30, 40), dtype=np.uint8)
            mask = cv2.resize(patches, size, interpolation=cv2.INTER_NEAREST)
            image = cv2.applyColorMap(mask, cv2.COLORMAP_HSV)
            cv2.imwrite(str(folder / split / "images" / f"{index}.jpg"), image)
            cv2.imwrite(str(folder / split / "masks" / f"{index}.png"), mask)
    names = "".join(f"  {each}: class {each}\n" for each in range(classes))
    replace_text(folder / "classes.yaml", f"names:\n{names}")


def measure(mode: str, cfg: DictConfig) -> None:
    """Do one thing and print the peak resident size of this process in MB."""
    torch.manual_seed(0)
    data = build_data(cfg)
    data.setup("fit" if mode == "train" else "validate")
    task = build_task(cfg, data.labels, data.channels)
    if mode == "evaluate":
        loader = data.eval_loader("val")
        evaluate_split(
            task.eval().predict, data.labels, loader, torch.device("cpu"), with_details=True,
            show_progress=False,
        )  # fmt: skip
    else:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = Trainer(
            accelerator="cpu", max_steps=2, limit_val_batches=1.0 if mode == "validate" else 0,
            use_distributed_sampler=False, enable_model_summary=False, **quiet,
        )  # fmt: skip
        (trainer.fit if mode == "train" else trainer.validate)(task, datamodule=data)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak_mb(mode: str, overrides: list[str]) -> float:
    """Return the peak resident size of one mode in MB."""
    command = [sys.executable, "-m", __spec__.name, "--mode", mode, *overrides]
    pid = os.posix_spawn(
        sys.executable, command, os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{mode} ended with status {status}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8])
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for conf/train.yaml")
    options = parser.parse_args()
    quiet_libraries()
    if options.mode:
        measure(options.mode, compose("train", options.overrides))
        return
    with tempfile.TemporaryDirectory() as name:
        write_data(Path(name), options.images, options.megapixels, options.classes)
        fixed = ["data=folder", f"data.root={name}", "data.workers=0", "data.cache=false"]
        training = peak_mb("train", [*fixed, *options.overrides])
        print(f"training: {training:.0f} MB", flush=True)
        for mode in MODES[1:]:
            for batch in options.batches:
                sizes = [f"data.eval_batch_size={batch}"]
                peak = peak_mb(mode, [*fixed, *sizes, *options.overrides])
                print(f"{mode}, batches of {batch}: {peak:.0f} MB, {peak / training:.2f}")


if __name__ == "__main__":
    main()
