"""Samples a second and memory of a packed data set against the same samples as local files.

    python -m benchmarks.training.packed_rate [--samples 100000] [--workers 2] [--rounds 3]

Writes small images with masks, packs them, and loads both with augmentation, in turns. Memory is
what the process and its workers hold together (PSS) a tenth into a round, and at its end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.core.parallel import default_threads, map_threads
from outtake.data.datamodule import DataModule
from outtake.data.folder import Folder
from outtake.data.pack_shards import pack

SIDE = 64
BATCH = 32
SHARD_BYTES = 64 * 2**20


def write_pairs(root: Path, samples: int) -> None:
    """Write noisy images of blocks of two classes, and one in a thousand more for val."""

    def write(place: tuple[str, int]) -> None:
        split, number = place
        draws = np.random.default_rng([len(split), number])
        mask = np.kron(draws.integers(0, 2, (4, 4), np.uint8), np.ones((SIDE // 4,) * 2, np.uint8))
        image = mask[..., None] * 90 + draws.integers(0, 120, (SIDE, SIDE, 3), np.uint8)
        name = f"{number:06d}"
        Image.fromarray(image.astype(np.uint8)).save(root / split / "images" / f"{name}.jpg")
        Image.fromarray(mask).save(root / split / "masks" / f"{name}.png")

    for split, count in (("train", samples), ("val", max(samples // 1000, 1))):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        places = [(split, number) for number in range(count)]
        map_threads(write, places, threads=default_threads(), title=f"Writing {split}")


def open_data(option: str, root: Path, workers: int) -> DataModule:
    """Return the loaders of a data set."""
    fixed = [f"data={option}", f"data.root={root}", "data.cache=false", f"data.workers={workers}"]
    sizes = ["data.short_side=null", f"data.crop=[{SIDE},{SIDE}]", f"data.batch_size={BATCH}"]
    data = build_data(compose("train", [*fixed, *sizes]))
    data.setup("fit")
    return data


def memory_mb() -> float:
    """Return what this process and its workers hold together, in MB."""
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    total = 0
    for process in [own, *children]:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def measure(data: DataModule, batches: int) -> tuple[float, float, float]:
    """Return samples a second, and the memory after a tenth and at the end."""
    loader = data.train_dataloader()
    early = began_s = 0.0
    seen = 0
    for number, _ in enumerate(islice(iter(loader), batches)):
        if number == batches // 10:
            early, began_s = memory_mb(), time.perf_counter()
        seen += number > batches // 10
    return BATCH * seen / (time.perf_counter() - began_s), early, memory_mb()


def main() -> None:
    """Print the rates, their ratio, and the memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, help="of a round; all of a pass if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        files, shards = Path(name) / "files", Path(name) / "shards"
        write_pairs(files, options.samples)
        began_s = time.perf_counter()
        pack(Folder(str(files)), shards, SHARD_BYTES)
        print(f"packed {options.samples} samples in {time.perf_counter() - began_s:.0f} s")
        data = []
        for option, root in (("folder", files), ("packed", shards)):
            began_s = time.perf_counter()
            data.append(open_data(option, root, options.workers))
            print(f"{option} opened in {time.perf_counter() - began_s:.1f} s", flush=True)
        batches, ratios = options.batches or options.samples // BATCH, []
        for number in range(options.rounds):
            local, _, _ = measure(data[0], batches)
            packed, early, late = measure(data[1], batches)
            ratios.append(packed / local)
            print(
                f"round {number + 1}: files {local:.0f}, shards {packed:.0f} samples/s, ratio "
                f"{ratios[-1]:.3f}; memory {early:.0f} MB early, {late:.0f} MB late",
                flush=True,
            )
        print(f"median ratio {statistics.median(ratios):.3f} (floor 0.95)")


if __name__ == "__main__":
    main()
