"""What a teacher is worth: a small network on CamVid, alone and taught, in equal training time.

    OUTTAKE_DATA=PATH python -m benchmarks.training.distillation [OVERRIDE ...]
        [--teacher RUN] [--seeds 0 1 2] [--terms kl] [--runs runs/distillation]

The student is that of :mod:`benchmarks.training.few_labels`, with all labels. Without
``--teacher`` that of ``experiment=camvid`` is trained first. A step with a teacher takes longer,
although it is asked about half of the images, so the taught network gets fewer epochs: as many as
fit into the time of the other, by the samples per second of an epoch of each. Overrides hold for
every run. A run that was interrupted goes on where it stopped, and a finished one is not trained
again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.training.few_labels import RECIPE as STUDENT
from benchmarks.training.resumable_runs import Summary, print_comparison, train_once

TEACHER = ("experiment=camvid", "logger=none")
WEIGHTS = {"kl": 2.0, "l1": 0.1, "l2": 0.05, "affinity": 10.0, "features": 0.1}


def taught_overrides(teacher: Path, terms: Sequence[str]) -> list[str]:
    """Return the overrides of a run with a teacher."""
    chosen = [f"supervision.weights.{name}={WEIGHTS[name] * (name in terms)}" for name in WEIGHTS]
    return [
        "supervision=distillation",
        f"supervision.teacher={teacher}",
        "supervision.asked_share=0.5",
        "supervision.teacher_features=fusion",  # of PIDNet, which has no encoder
        "supervision.student_features=fusion",
        *chosen,
    ]


def equal_epochs(epochs: int, alone: Summary, taught: Summary) -> int:
    """Return the epochs with a teacher that take as long as others without one.

    Args:
        epochs: The epochs without.
        alone: The summary of an epoch without.
        taught: The summary of an epoch with a teacher.
    """
    ratio = float(taught["samples_per_second"]) / float(alone["samples_per_second"])
    return max(1, round(epochs * ratio))


def main() -> None:
    """Train the teacher, then the student with and without it, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path, help="a run folder on the same classes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--terms", nargs="+", default=["kl"], choices=list(WEIGHTS))
    parser.add_argument("--epochs", type=int, default=16, help="of the student alone")
    parser.add_argument("--runs", type=Path, default=Path("runs/distillation"))
    arguments, overrides = parser.parse_known_args()
    runs = arguments.runs.resolve()
    teacher = arguments.teacher and arguments.teacher.resolve()
    if teacher is None:
        teacher = runs / "teacher"
        train_once(teacher, [*TEACHER, *overrides])
    taught = taught_overrides(teacher, arguments.terms)
    student = [*STUDENT, *overrides]
    short = ["trainer.max_epochs=2", "trainer.check_val_every_n_epoch=2"]
    epochs_taught = equal_epochs(
        arguments.epochs,
        train_once(runs / "speed-alone", [*student, *short]),
        train_once(runs / "speed-taught", [*student, *taught, *short]),
    )
    found: dict[str, list[Summary]] = {"alone": [], "taught": []}
    for seed in arguments.seeds:
        for method, epochs, extra in (
            ("alone", arguments.epochs, []),
            ("taught", epochs_taught, taught),
        ):
            given = [*student, *extra, f"seed={seed}", f"trainer.max_epochs={epochs}"]
            given.append(f"trainer.check_val_every_n_epoch={min(10, epochs)}")
            found[method].append(train_once(runs / f"{method}-seed-{seed}", given))
    print_comparison(f"CamVid, {arguments.epochs} epochs alone, {epochs_taught} taught", found)


if __name__ == "__main__":
    main()
