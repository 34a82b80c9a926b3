"""What images without labels are worth: an eighth of CamVid's labels, alone and with the rest.

    OUTTAKE_DATA=PATH python -m benchmarks.training.few_labels [OVERRIDE ...]
        [--share 1/8] [--seeds 0 1 2] [--methods pseudo_labels soft_labels unimatch fixmatch]
        [--min-confidence 0] [--label-precision bfloat16] [--runs runs/few_labels]

All train on the same labelled images for equally many steps: an epoch is as many labelled samples
as CamVid has, whatever the share. ``supervised`` is the base of the comparison.

``pseudo_labels``: the networks of ``supervised``, of all seeds together and each with the mirrored
picture at three scales, label the other images, and a new network is trained on those labels and
the true ones (Yang et al., "ST++", 2022, without its choice of images). A step takes as long as one
of ``supervised``. ``soft_labels``: beside the true labels, a new network learns the mean of the
probabilities of the same networks, for images with labels and without. Its steps, and those of
``unimatch``, take several times as long.

A run that was interrupted goes on where it stopped, and a finished one is not trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.training.left_out_drives import run_program
from benchmarks.training.resumable_runs import Summary, print_comparison, train_once
from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.data.camvid import UNLABELLED
from outtake.data.image_files import read_raw_mask
from outtake.data.unlabelled import LabelledShare

# A network that sees all of the resolution, and with it poles and signs.
RECIPE = (
    "data=camvid",
    "model=pidnet_s",
    "scheduler=one_cycle",
    "callbacks=ema",
    "optimizer.lr=2.0e-3",
    "loss=deep_supervision",
    "loss.loss.class_weights=log",
    "data.short_side=360",
    "data.crop=[256,352]",
    "data.eval_short_side=405",
    "logger=none",
    "data.samples_per_epoch=367",
    "trainer.max_epochs=16",
    "trainer.check_val_every_n_epoch=4",
)
METHODS = ("pseudo_labels", "soft_labels", "unimatch", "fixmatch")
# UniMatch drops channels of what the decision is made of; this network has no encoder.
UNIMATCH_MODULE = "supervision.feature_module=fusion"


def main() -> None:
    """Train every method with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--share", default="1/8")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="*", default=["pseudo_labels"],
                        choices=METHODS)  # fmt: skip
    parser.add_argument("--min-confidence", type=float, default=0.0,
                        help="from which on a pseudo label counts")  # fmt: skip
    parser.add_argument("--label-precision", default="auto",
                        help="in which pseudo labels are made: bfloat16 is faster")  # fmt: skip
    parser.add_argument("--runs", type=Path, default=Path("runs/few_labels"))
    arguments, overrides = parser.parse_known_args()
    share, runs = str(arguments.share), Path(arguments.runs).resolve()
    share_name = share.replace("/", "_of_")

    def name_run(method: str, seed: int) -> Path:
        return runs / f"{method}-{share_name}-seed-{seed}"

    part = [f"data.labelled_share={share}"]
    teachers = [name_run("supervised", seed) for seed in arguments.seeds]
    found: dict[str, list[Summary]] = {}
    for method in ("supervised", *arguments.methods):
        if method == "pseudo_labels":
            source = build_data(compose("train", [*RECIPE, *overrides, *part])).source
            assert isinstance(source, LabelledShare)
            seeds = "-".join(map(str, arguments.seeds))
            made = f"labelled-{share_name}-by-seeds-{seeds}-from-{arguments.min_confidence}"
            labelled = runs / made
            precision = str(arguments.label_precision)
            write_pseudo_labels(source, teachers, labelled, arguments.min_confidence, precision)
            labels = ["supervision=supervised", f"data.root={labelled}"]
        elif method == "soft_labels":
            labels = [*part, *soft_label_overrides(teachers)]
        else:
            module = [UNIMATCH_MODULE] if method == "unimatch" else []
            labels = [*part, f"supervision={method}", *module]
        found[method] = [
            train_once(name_run(method, seed), [*RECIPE, *overrides, *labels, f"seed={seed}"])
            for seed in arguments.seeds
        ]
    print_comparison(f"CamVid with {share} of its labels", found)


def soft_label_overrides(teachers: Sequence[Path]) -> list[str]:
    """Return the overrides of a run that learns the probabilities of some run folders too."""
    named = ",".join(map(str, teachers))
    return ["supervision=distillation", f"supervision.teacher=[{named}]", "supervision.images=both"]


def write_pseudo_labels(
    source: LabelledShare,
    teachers: Sequence[Path],
    output: Path,
    min_confidence: float,
    precision: str,
) -> None:
    """Write CamVid anew, with the labels of some networks where those that people drew are unknown.

    What an interrupted call has predicted is kept.

    Args:
        source: CamVid, and the part of it whose labels are known.
        teachers: The run folders of networks that were trained on that part.
        output: The new data set; its images are links.
        min_confidence: The mean probability below which a pixel has no label.
        precision: In which the networks label.
    """
    unlabelled = source.other_samples()
    for split in ("train", "val"):
        for sample in source.samples(split):
            _link(Path(sample.image), output / split)
            _link(Path(sample.mask), output / f"{split}annot")
    for sample in unlabelled:
        _link(Path(sample.image), output / "train")
        _link(Path(sample.image), output / "unlabelled")
    run_program(
        "predict.py",
        f"checkpoint=[{','.join(map(str, teachers))}]",
        f"input={output / 'unlabelled'}",
        f"output={output / 'predicted'}",
        "outputs=[labels]",
        "network.flip=true",
        "network.scales=[0.85,1,1.25]",
        f"network.precision={precision}",
        f"min_confidence={min_confidence}",
    )
    for sample in unlabelled:
        labels = read_raw_mask(output / "predicted" / "labels" / f"{Path(sample.image).stem}.png")
        mask = output / "trainannot" / Path(sample.mask).name
        mask.unlink(missing_ok=True)  # never through a link into the data set
        known = labels != source.labels.ignore_index
        cv2.imwrite(str(mask), np.where(known, labels, UNLABELLED).astype(np.uint8))


def _link(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file.name).unlink(missing_ok=True)
    (folder / file.name).symlink_to(file.resolve())


if __name__ == "__main__":
    main()
