"""How good masks of a whole clip become from a few labelled frames, on one core.

Trains ``experiment=few_frames`` on some frames of clips of which every mask is known, and prints
for the other frames: IoU (J) of the class, mean and worst; the share of the object outside the
mask after growth (``mask.dilate``), mean and worst; Spearman's correlation of the uncertainty by
which ``outtake suggest`` ranks frames with the true J; and the processor time of training and of
labelling:

    python -m benchmarks.few_frames --clips tennis pan --seeds 0 1 2
    python -m benchmarks.few_frames --clips pan --without-residual
    python -m benchmarks.few_frames --clips pan --more suggested random --more-steps 300
    python -m benchmarks.few_frames --clips tennis parallax --removal

``--more`` labels two more frames, those that are suggested or two drawn at random, trains on from
the weights of the first round, and scores the frames that have no label then. ``--removal`` removes
the object with the masks found and with the true ones. ``--folder`` keeps every training, and what
is kept there is not trained again: remove it after a change of the code.

``tennis`` is read from the folder in the environment variable OUTTAKE_DATA; the others are
rendered.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks.few_frames.clips import CLIPS, FrameAndMask
from benchmarks.few_frames.removals import compare_removals
from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.frames import LabelledFrame
from outtake.core.types import LabelMap, Mask
from outtake.labelled_video.frame_suggestion import FrameState, suggest_frames
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.further_clips import attach_residual, plate_offsets
from outtake.pipeline.network_setup import build_predictor
from outtake.programs.train import train
from outtake.video.read.clip import open_clip

OBJECT = 1
STEPS_PER_EPOCH = 50
FEWEST_PIXELS = 50  # of an object that is scored


@dataclass(frozen=True)
class Scores:
    """What came of a training, over the frames that had no label and show the object."""

    iou: np.ndarray
    missed: np.ndarray
    rank_correlation: float

    def line(self) -> str:
        """Return it in words."""
        return (
            f"J {100 * self.iou.mean():5.1f} / {100 * self.iou.min():5.1f}   "
            f"missed {100 * self.missed.mean():5.2f} / {100 * self.missed.max():5.1f}%   "
            f"rank correlation {self.rank_correlation:5.2f}"
        )


def lay_out(folder: Path, frames: Sequence[FrameAndMask], labelled: Sequence[int]) -> None:
    """Write the frames of a clip, and the masks of those that are labelled."""
    for name in ("frames", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (image, mask) in enumerate(frames):
        path = folder / f"frames/{number:05d}.png"
        if not path.exists():
            Image.fromarray(image).save(path)
        if number in labelled:
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"masks/{number:05d}.png")


def train_round(folder: Path, name: str, steps: int, *options: str) -> tuple[Path, float]:
    """Train on what is labelled, unless that is done; return the run and its processor seconds."""
    record = folder / f"{name}.json"
    if record.exists():
        return folder / name, float(json.loads(record.read_text())["processor_s"])
    given = [
        "experiment=few_frames", f"data.source.video={folder / 'frames'}",
        f"data.source.masks={folder / 'masks'}", "data.source.first=0", "budget_s=null",
        f"trainer.max_epochs={max(1, round(steps / STEPS_PER_EPOCH))}", "logger=none",
        f"paths.runs={folder}", f"name={name}", "~callbacks.progress",
        "+trainer.enable_progress_bar=false", *options,
    ]  # fmt: skip
    began = time.process_time()
    train(compose("train", given))
    took_s = time.process_time() - began
    record.write_text(json.dumps({"steps": steps, "processor_s": took_s}))
    return folder / name, took_s


def label_clip(run: Path, folder: Path) -> tuple[list[LabelledFrame], float]:
    """Label every frame; return them and the seconds of processor time for each."""
    trained = load_trained(run)
    labeller = build_predictor(trained, batch_size=4, uncertain_ids=(OBJECT,))
    began = time.process_time()
    with open_clip(folder / "frames") as clip:
        frames = iter(clip)
        for offsets in plate_offsets(trained.further_inputs):
            frames = attach_residual(frames, offsets)
        found = list(labeller(frames))
    return found, (time.process_time() - began) / len(found)


def score(found: Sequence[LabelledFrame], truth: Sequence[Mask], labelled: Sequence[int]) -> Scores:
    """Score the frames that have no label."""
    policy = MaskPolicy((OBJECT,), vote=0)
    iou, missed, unsure = [], [], []
    for number, (frame, mask) in enumerate(zip(found, truth, strict=True)):
        if number in labelled or np.count_nonzero(mask) < FEWEST_PIXELS:
            continue
        said = frame.labels == OBJECT
        iou.append(np.count_nonzero(said & mask) / np.count_nonzero(said | mask))
        grown = policy.mask(frame.labels)
        missed.append(np.count_nonzero(mask & ~grown) / np.count_nonzero(mask))
        unsure.append(np.inf if frame.uncertain_share is None else frame.uncertain_share)
    return Scores(
        np.array(iou), np.array(missed), correlate_ranks(-np.array(unsure), np.array(iou))
    )


def correlate_ranks(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's correlation of two rows of numbers."""
    ranks = [np.argsort(np.argsort(each, kind="stable")) for each in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def choose_more(
    kind: str, found: Sequence[LabelledFrame], labelled: Sequence[int], seed: int
) -> list[int]:
    """Return two more frames to label: those that are suggested, or any."""
    if kind == "random":
        others = [number for number in range(len(found)) if number not in labelled]
        return sorted(np.random.default_rng(seed).choice(others, 2, replace=False).tolist())
    states = [
        FrameState(each.uncertain_share, float((each.labels == OBJECT).mean())) for each in found
    ]
    return [each.frame for each in suggest_frames(states, 2, labelled=labelled)]


def run(name: str, seed: int, folder: Path, options: argparse.Namespace) -> None:
    """Train, label and score a clip, and print a line for each round."""
    clip = CLIPS[name]
    frames = list(clip.frames())
    images, truth = [image for image, _ in frames], [mask for _, mask in frames]
    more = [f"seed={seed}", *(["data.further_inputs=null"] if options.without_residual else [])]
    kind_of_input = "plain" if options.without_residual else "residual"
    lay_out(folder, frames, clip.labelled)
    key = f"{kind_of_input}-{options.steps}-seed{seed}"
    first, train_s = train_round(folder, key, options.steps, *more)
    found, label_s = label_clip(first, folder)
    title = f"{name:9} {kind_of_input} seed {seed} "
    print(f"{title} {score(found, truth, clip.labelled).line()}   "
          f"{train_s:.0f} s + {1000 * label_s:.0f} ms a frame", flush=True)  # fmt: skip
    if options.removal:
        labels = keep_labels(found, truth, clip.labelled)
        behind = None if clip.behind is None else list(clip.behind())
        removal = compare_removals(images, truth, labels, (OBJECT,), behind)
        print(f"{title} {removal.line()}", flush=True)
    for kind in options.more:
        chosen = choose_more(kind, found, clip.labelled, seed)
        own = folder / f"{key}-{kind}"
        lay_out(own, frames, [*clip.labelled, *chosen])
        again = [*more, f"init_from={first}"]
        second, train_s = train_round(own, f"second-{options.more_steps}", options.more_steps,
                                      *again)  # fmt: skip
        later, _ = label_clip(second, own)
        line = score(later, truth, [*clip.labelled, *chosen]).line()
        print(f"{title} {line}   {train_s:.0f} s, + 2 {kind}: {chosen}", flush=True)


def keep_labels(
    found: Sequence[LabelledFrame], truth: Sequence[Mask], labelled: Sequence[int]
) -> list[LabelMap]:
    """Return the labels of the network, and in labelled frames those that were given."""
    return [
        truth[number].astype(np.uint8) if number in labelled else frame.labels
        for number, frame in enumerate(found)
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clips", nargs="+", choices=[*CLIPS], default=[*CLIPS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--without-residual", action="store_true")
    parser.add_argument("--more", nargs="+", choices=["suggested", "random"], default=[])
    parser.add_argument("--more-steps", type=int, default=300)
    parser.add_argument("--removal", action="store_true")
    parser.add_argument("--folder", type=Path, help="keeps the trainings; default: none is kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")
    for name in options.clips:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as place:
                run(name, seed, (options.folder or Path(place)) / name, options)


if __name__ == "__main__":
    main()
