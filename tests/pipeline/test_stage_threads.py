import signal
import threading
import time

import pytest

from outtake.core.signals import defer_signals
from outtake.pipeline.stage_threads import StageThreads


def test_items_come_in_order_through_any_number_of_threads():
    with StageThreads() as stages:
        first = stages.run("a", range(200), max_queued=3)
        second = stages.run("b", (2 * item for item in first), max_queued=1)
        assert list(second) == list(range(0, 400, 2))


def test_stages_overlap():
    ahead = threading.Event()

    def source():
        for item in range(5):
            if item == 2:
                ahead.set()
            yield item

    def patient(items):
        for item in items:
            assert ahead.wait(30), "the first stage waits for the last one"
            yield item

    with StageThreads() as stages:
        chain = stages.run("c", patient(stages.run("b", stages.run("a", source()))))
        assert list(chain) == list(range(5))
    assert set(stages.busy_s) == {"a", "b", "c"}


def test_an_interrupt_waits_until_what_it_would_tear_is_done():
    done = []
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.signal(number, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt), defer_signals():
                signal.raise_signal(number)
                done.append(number)
            assert signal.getsignal(number) is signal.default_int_handler
        finally:
            signal.signal(number, before)
    assert done == [signal.SIGINT, signal.SIGTERM]


def test_a_stage_runs_at_most_so_far_ahead():
    made = []

    def source():
        for item in range(100):
            made.append(item)
            yield item

    with StageThreads() as stages:
        chain = stages.run("a", source(), max_queued=4)
        next(chain)
        time.sleep(0.2)
        assert len(made) <= 1 + 4 + 1  # given out, waiting, and in the hand


def test_an_error_reaches_the_end_of_the_chain():
    def broken():
        yield 1
        raise ValueError("in the middle")

    with StageThreads() as stages:
        chain = stages.run("b", iter(stages.run("a", broken())))
        assert next(chain) == 1
        with pytest.raises(ValueError, match="in the middle"):
            next(chain)


def test_leaving_early_ends_every_thread_and_closes_the_source():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    with StageThreads() as stages:
        chain = stages.run("b", iter(stages.run("a", endless(), max_queued=2)), max_queued=2)
        next(chain)
    assert closed.wait(5)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_waiting_is_not_work():
    def slow():
        for item in range(10):
            time.sleep(0.02)
            yield item

    with StageThreads() as stages:
        for _ in stages.run("quick", iter(stages.run("slow", slow()))):
            with stages.measure("end"):
                time.sleep(0.001)
    assert stages.busy_s["slow"] > 0.18
    assert stages.busy_s["quick"] < 0.05 and stages.busy_s["end"] < 0.1


def test_a_stage_that_is_still_gathering_when_the_end_comes_does_not_wait_for_ever():
    def endless():
        while True:
            time.sleep(0.001)
            yield 0

    def gathering(items):
        held = []
        for item in items:
            held.append(item)
            if len(held) > 10_000:
                yield held.pop()

    begin, before = time.perf_counter(), threading.active_count()
    with pytest.raises(RuntimeError, match="enough"), StageThreads() as stages:
        first = stages.run("a", endless(), max_queued=1)
        last = stages.run("b", gathering(first), max_queued=1)
        threading.Thread(target=lambda: list(last), daemon=True).start()
        time.sleep(0.3)
        raise RuntimeError("enough")
    assert time.perf_counter() - begin < 10
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
