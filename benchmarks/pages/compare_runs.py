"""Make up run folders as ``train.py`` leaves them, to measure and to test ``compare.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "signsymbol", "fence", "car",
    "pedestrian", "bicyclist",
)  # fmt: skip
DEVICE = "cpu: a processor, 2 threads"


def write_run(
    folder: Path,
    *,
    seed: int = 0,
    lr: float = 0.001,
    backbone: str = "resnet18",
    records: int = 1000,
    validations: int = 40,
    quality: float = 0.6,
    forward_ms: float | None = 40.0,
    picture_px: int = 480,
    finished: bool = True,
) -> Path:
    """Write one run folder.

    Args:
        folder: The run folder, which must not exist.
        seed: The seed of the run and of its noise.
        lr: The learning rate, a setting.
        backbone: The encoder, a setting.
        records: The number of training records in ``metrics.jsonl``.
        validations: The number of validation records among them.
        quality: The mIoU that the run approaches.
        forward_ms: The forward time in ``summary.json``; None leaves it out.
        picture_px: The width of one of the three parts of the validation picture; 0 for none.
        finished: Whether there is a ``summary.json``.
    """
    rng = np.random.default_rng([seed, round(lr * 1e6), len(backbone)])
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings(folder.name, seed, lr, backbone)))
    (folder / "overrides.yaml").write_text(yaml.safe_dump([f"optimizer.lr={lr}", f"seed={seed}"]))
    _write(folder / "environment.json", {"hardware": {"cpu": "a processor"}})
    _write(folder / "data.json", {"fingerprint": "f" * 64, "splits": {}})
    best = _write_metrics(folder / "metrics.jsonl", rng, lr, records, validations, quality)
    if finished:
        summary: dict[str, Any] = {"best": best, "epochs": validations, "steps": records}
        summary |= {"wall_time_s": 1800.0 + seed, "samples_per_second": 11.5 - seed / 10}
        summary |= {"parameters": 11_000_000 + 1000 * len(backbone)}
        if forward_ms is not None:
            summary |= {"forward_ms": forward_ms, "forward": {"device": DEVICE}}
        _write(folder / "summary.json", summary)
    if picture_px:
        (folder / "images").mkdir()
        target = folder / "images" / f"val_epoch_{int(best['epoch']):04d}.png"
        cv2.imwrite(str(target), picture(rng, picture_px), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return folder


def settings(name: str, seed: int, lr: float, backbone: str) -> dict[str, Any]:
    """Return a config of the size that train.py writes."""
    filler = {f"option_{i}": {"_target_": f"some.where.Thing{i}", "p": i / 10} for i in range(30)}
    return {
        "name": name,
        "seed": seed,
        "paths": {"runs": "runs"},
        "model": {"_target_": "outtake.models.fcn.FCN", "encoder_name": backbone, "stride": 8},
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": lr, "weight_decay": 0.01},
        "augment": {"steps": filler},
        "trainer": {"max_epochs": 40, "precision": "32-true"},
    }


def picture(rng: np.random.Generator, width_px: int, rows: int = 4) -> np.ndarray:
    """Return BGR rows of image, truth and prediction; only the prediction depends on the rng."""
    height = width_px * 3 // 4
    same = np.random.default_rng(5)
    drawn = []
    for _ in range(rows):
        small = same.integers(0, 255, (6, 8, 3), np.uint8)
        image = cv2.resize(small, (width_px, height), interpolation=cv2.INTER_CUBIC)
        image = cv2.add(image, same.integers(0, 12, image.shape, np.uint8))
        truth = cv2.resize(small // 64 * 64, (width_px, height), interpolation=cv2.INTER_NEAREST)
        at = tuple(int(v) for v in rng.integers(0, height, 2))
        guess = cv2.circle(truth.copy(), at, height // 4, (60, 60, 200), cv2.FILLED)
        drawn.append(np.concatenate([image, truth, cv2.addWeighted(image, 0.5, guess, 0.5, 0)], 1))
    return np.concatenate(drawn)


def _write_metrics(
    path: Path, rng: np.random.Generator, lr: float, records: int, validations: int, goal: float
) -> dict[str, float]:
    best: dict[str, float] = {}
    every = max(records // max(validations, 1), 1)
    lines = []
    for step in range(1, records + 1):
        share = step / records
        loss = 2.2 * np.exp(-4 * share) + 0.25 + rng.normal(0, 0.06)
        epoch = (step - 1) // every
        record = {"step": step * 10, "epoch": epoch, "time_s": 1e9 + step}
        lines.append(record | {"train/loss": float(loss), "lr-AdamW": lr * (1 - share)})
        if validations and step % every == 0:
            miou = goal * (1 - np.exp(-5 * share)) + rng.normal(0, 0.006)
            scored = {"val/miou": float(miou), "val/loss": float(loss + 0.1)}
            scored["val/pixel_accuracy"] = float(min(miou + 0.25, 1))
            for index, name in enumerate(CLASSES):
                scored[f"val/iou/{name}"] = float(np.clip(miou * (1.5 - index / 10), 0, 1))
            lines.append(record | scored)
            if scored["val/miou"] > best.get("val/miou", 0):
                best = {"epoch": epoch, **scored}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return best or {"epoch": 0}


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n")
