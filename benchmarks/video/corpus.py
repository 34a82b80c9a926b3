"""Read and write damaged files: the corpus of the tests, mutated.

Every kind of file in ``tests/video/corpus.py`` is damaged in many ways: noise, flipped bits in
headers, extreme numbers, truncation, blocks swapped, zeroed or cut out. Each result is read and
written again in a process of its own with a time limit of 30 s and 4 GB of memory. The
number of a mutation decides about the damage, so a run can be repeated, and a single case too, with
``--first N --mutations 1``.

    python -m benchmarks.video.corpus --mutations 500

A mutation may be harmless: then the copy has every frame. Or it is refused in one line, or there is
a warning. If neither is true and frames are missing, the table says "silent short output". Changed
pixels that the codec itself accepts ("some changed") cannot be detected.
"""

from __future__ import annotations

import argparse
import collections
import tempfile
from pathlib import Path

from tests.video.corpus import GOOD
from tests.video.mutations import Outcome, Worker, mutate

VERDICTS = (
    "all frames",
    "all frames, some changed",
    "refused",
    "short, with a warning",
    "silent short output",
    "traceback",
    "crash",
    "hang",
)


def run(worker: Worker, number: int, folder: Path) -> tuple[str, str, str, Outcome]:
    """Make, damage and process one file; return its kind, the damage, a verdict and the outcome."""
    names = sorted(GOOD)
    name = names[number % len(names)]
    path = folder / GOOD[name].name
    GOOD[name].make(path)
    whole = worker.run(path)
    damage = mutate(path, number)
    outcome = worker.run(path)
    return name, damage, verdict(outcome, whole), outcome


def verdict(outcome: Outcome, whole: Outcome) -> str:
    """Return the verdict on an outcome, compared with that of the intact file."""
    if outcome.end != "written":
        return outcome.end
    if outcome.frames < whole.frames:
        return "short, with a warning" if outcome.warned else "silent short output"
    return "all frames" if outcome.pictures == whole.pictures else "all frames, some changed"


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--verbose", action="store_true", help="a line for each")
    options = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    slowest = 0.0
    with Worker() as worker:
        for number in range(options.first, options.first + options.mutations):
            with tempfile.TemporaryDirectory() as folder:
                name, damage, word, outcome = run(worker, number, Path(folder))
            counts[word] += 1
            slowest = max(slowest, outcome.seconds)
            bad = word in ("hang", "crash", "traceback", "silent short output")
            if bad or options.verbose:
                line = outcome.message.replace(folder, "")
                print(f"{number:4} {name}, {damage}: {word} ({outcome.frames}) {line}", flush=True)
    print(f"\n{options.mutations} mutations of {len(GOOD)} kinds, slowest {slowest:.1f} s")
    for word in VERDICTS:
        print(f"{word:26}{counts[word]:5}")


if __name__ == "__main__":
    main()
