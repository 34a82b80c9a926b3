"""Damaged files: refused in one line or read whole, never a crash; a small part of
``benchmarks/video/corpus.py --mutations 500``."""

import pytest

from tests.video.corpus import GOOD
from tests.video.mutations import MUTATIONS, Worker, mutate

NUMBERS = range(1000, 1028)


@pytest.fixture(scope="module")
def worker():
    with Worker(timeout_s=30) as worker:
        yield worker


def test_every_sort_of_damage_is_tried():
    assert {number % len(MUTATIONS) for number in NUMBERS} == set(range(len(MUTATIONS)))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_damaged_file_is_never_a_crash_nor_a_silent_short_output(number, worker, tmp_path):
    kind = GOOD[sorted(GOOD)[number * 5 % len(GOOD)]]
    path = tmp_path / kind.name
    kind.make(path)
    mutate(path, number)
    outcome = worker.run(path)
    assert outcome.end in ("written", "refused"), outcome.message
    if outcome.end == "refused":
        assert "\n" not in outcome.message
    else:
        assert outcome.frames >= kind.frames or outcome.warned


def test_a_process_that_does_not_answer_is_killed_and_started_again(tmp_path):
    with Worker(timeout_s=0) as worker:
        assert worker.run(tmp_path / "none.mp4").end == "hang"
        worker.timeout_s = 30
        assert worker.run(tmp_path / "none.mp4").end == "refused"
