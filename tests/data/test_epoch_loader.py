from collections import Counter

import pytest
import torch
from torch.utils.data import Dataset

from outtake.data.epoch_loader import EndlessBatches, EpochLoader
from outtake.data.sample_order import DividedBatches, SampleOrder


class Keys(Dataset):
    """Keys as tensors; those that were asked for are counted."""

    def __init__(self):
        self.asked = Counter()

    def __getitem__(self, key):
        self.asked[key] += 1
        return torch.tensor(key)


def make_batches(count=10, batch_size=4):
    return DividedBatches(SampleOrder(count, seed=3), batch_size)


def keys_of(batches):
    return [[tuple(key.tolist()) for key in batch] for batch in batches]


def expected(epoch, skipped=0):
    return list(make_batches().iter_epoch(epoch, skipped))


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_follow_each_other(workers):
    loader = EpochLoader(Keys(), make_batches(), num_workers=workers,
                         persistent_workers=workers > 0)  # fmt: skip
    assert len(loader) == 2
    for epoch in range(4):
        loader.batch_sampler.sampler.set_epoch(epoch)
        assert keys_of(loader) == expected(epoch)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_may_be_left_repeated_or_passed_over(workers):
    loader = EpochLoader(Keys(), make_batches(), num_workers=workers,
                         persistent_workers=workers > 0)  # fmt: skip
    first = iter(loader)
    assert keys_of([next(first)]) == expected(0)[:1]
    for epoch in (0, 0, 3, 1, 2):
        loader.batch_sampler.sampler.set_epoch(epoch)
        assert keys_of(loader) == expected(epoch)


def test_workers_make_the_first_batches_of_the_next_epoch_before_it_begins():
    class Recorder(EndlessBatches):
        def __iter__(self):
            for keys in super().__iter__():
                passes.append(keys[0][0])
                yield keys

    passes = []
    loader = EpochLoader(Keys(), make_batches(), num_workers=1, persistent_workers=True)
    loader.batch_sampler.__class__ = Recorder
    list(loader)
    assert passes.count(1) == 2, "a worker is two batches ahead"
    loader.batch_sampler.sampler.set_epoch(1)
    list(loader)
    assert passes == [0, 0, 1, 1, 2, 2], "nothing was asked for twice"


def test_a_place_to_begin_at_holds_once_and_not_for_a_later_epoch():
    loader = EpochLoader(Keys(), make_batches())
    loader.batch_sampler.start_at(4, 1)
    loader.batch_sampler.set_epoch(0)  # before a resumed run knows its epoch
    assert keys_of(loader) == expected(4, 1)
    loader.batch_sampler.set_epoch(5)
    assert keys_of(loader) == expected(5)
    loader.batch_sampler.start_at(6, 2)  # nothing is left of it
    loader.batch_sampler.set_epoch(7)
    assert keys_of(loader) == expected(7)


def test_without_workers_nothing_is_made_ahead():
    loader = EpochLoader(dataset := Keys(), make_batches())
    list(loader)
    assert dataset.asked == Counter(key for batch in expected(0) for key in batch)


@pytest.mark.parametrize("workers", [0, 1])
def test_after_an_error_an_epoch_begins_anew(workers):
    class Fragile(Keys):
        def __getitem__(self, key):
            if broken.is_set() and key in expected(0)[1]:
                raise ValueError("unreadable")
            return super().__getitem__(key)

    broken = torch.multiprocessing.get_context("fork").Event()
    broken.set()
    loader = EpochLoader(Fragile(), make_batches(), num_workers=workers,
                         persistent_workers=workers > 0)  # fmt: skip
    with pytest.raises(ValueError, match="unreadable"):
        list(loader)
    broken.clear()
    assert keys_of(loader) == expected(0)


def test_workers_that_lightning_has_ended_are_started_again():
    loader = EpochLoader(Keys(), make_batches(), num_workers=1, persistent_workers=True)
    list(loader)
    loader._iterator._shutdown_workers()
    loader._iterator = None  # as CombinedLoader.reset does
    loader.batch_sampler.set_epoch(1)
    assert keys_of(loader) == expected(1)


def test_two_iterations_at_once_are_refused():
    loader = EpochLoader(Keys(), make_batches())
    with pytest.raises(RuntimeError, match="a later iteration"):
        list(zip(loader, loader, strict=True))
