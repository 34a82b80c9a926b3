"""What images without labels are worth: an eighth of CamVid's labels, alone and with the rest.

    OUTTAKE_DATA=PATH python -m benchmarks.training.few_labels [OVERRIDE ...]
        [--share 1/8] [--seeds 0 1 2] [--methods unimatch fixmatch] [--runs runs/few_labels]

All train on the same labelled images for equally many steps: an epoch is as many labelled samples
as CamVid has, whatever the share. ``supervised`` is the base of the comparison. A step of
``unimatch`` takes several times as long as one of ``supervised``. A run that was interrupted goes
on where it stopped, and a finished one is not trained again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.training.resumable_runs import Summary, print_comparison, train_once

# A network that learns fast: a comparison of what labels are worth says nothing while it learns.
RECIPE = (
    "experiment=camvid_fast",
    "model=pspnet",
    "backbone=resnet18",
    "logger=none",
    "data.samples_per_epoch=367",
    "trainer.precision=auto",
    "trainer.max_epochs=30",
    "trainer.check_val_every_n_epoch=10",
)


def main() -> None:
    """Train every method with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--share", default="1/8")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=["unimatch"],
                        choices=["unimatch", "fixmatch"])  # fmt: skip
    parser.add_argument("--runs", type=Path, default=Path("runs/few_labels"))
    arguments, overrides = parser.parse_known_args()
    share = str(arguments.share)
    found: dict[str, list[Summary]] = {}
    for seed in arguments.seeds:
        for method in ("supervised", *arguments.methods):
            name = f"{method}-{share.replace('/', '_of_')}-seed-{seed}"
            given = [*RECIPE, f"supervision={method}", f"data.labelled_share={share}"]
            summary = train_once(
                arguments.runs.resolve() / name, [*given, f"seed={seed}", *overrides]
            )
            found.setdefault(method, []).append(summary)
    print_comparison(f"CamVid with {share} of its labels", found)


if __name__ == "__main__":
    main()
