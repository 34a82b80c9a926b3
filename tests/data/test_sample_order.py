from collections import Counter

import numpy as np
import pytest

from outtake.data.sample_order import (
    PADDING_INDEX,
    DividedBatches,
    SameSizeBatchSampler,
    SampleOrder,
    derive_seed,
    rare_class_shares,
)


def epoch(number, count=10, seed=3, **options):
    return list(SampleOrder(count, seed=seed, **options).iter_epoch(number))


def test_an_epoch_is_every_sample_once_in_an_order_of_its_own():
    first, second = epoch(0), epoch(1)
    assert sorted(index for _, index in first) == list(range(10))
    assert {number for number, _ in second} == {1}
    assert [index for _, index in first] != [index for _, index in second]
    assert first == epoch(0) != epoch(0, seed=4)


def test_iterating_other_epochs_before_changes_nothing():
    order = SampleOrder(10, seed=3)
    for number in (5, 2, 2):
        assert list(order.iter_epoch(number)) == epoch(number)


@pytest.mark.parametrize("samples", [4, 25])
def test_short_and_long_epochs_see_all_samples_equally_often(samples):
    keys = [key for number in range(10) for key in epoch(number, samples_per_epoch=samples)]
    assert len(keys) == len(set(keys)) == 10 * samples
    assert set(Counter(index for _, index in keys).values()) == {samples}


def shares(world_size, batch_size=4, count=10, **options):
    """What each process gets, batch by batch."""
    parts = []
    for rank in range(world_size):
        order = SampleOrder(count, seed=3, **options)
        batches = DividedBatches(order, batch_size, rank=rank, world_size=world_size)
        parts.append(list(batches.iter_epoch(0)))
        assert len(batches) == len(parts[-1])
    return list(zip(*parts, strict=True))


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_processes_share_each_batch_of_one_process(world_size):
    (alone,) = zip(*shares(1), strict=True)
    together = shares(world_size)
    assert len(alone) == len(together) == 2
    for whole, parts in zip(alone, together, strict=True):
        assert sorted(key for part in parts for key in part) == sorted(whole)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert min(map(len, parts)) >= 1


def test_an_epoch_smaller_than_a_batch_is_one_batch():
    ((first, second),) = shares(2, batch_size=16, count=5)
    assert len(first) == 3 and len(second) == 2


def test_a_place_in_an_epoch_is_the_same_for_any_number_of_processes():
    def left(rank, world_size):
        order = SampleOrder(10, seed=3)
        return next(DividedBatches(order, 4, rank=rank, world_size=world_size).iter_epoch(1, 1))

    both = [*left(0, 2), *left(1, 2)]
    assert sorted(both) == sorted(left(0, 1)) == sorted(epoch(1)[4:8])


def test_seeds_differ_by_purpose_and_by_every_number():
    seeds = {
        derive_seed(purpose, seed, number, index)
        for purpose in ("order", "augment")
        for seed in range(4)
        for number in range(12)
        for index in range(12)
    }
    assert len(seeds) == 2 * 4 * 12 * 12


def test_batches_group_neighbours_of_one_size_and_keep_the_order():
    small, large = (4, 6), (8, 6)
    sizes = [small, small, small, large, small, large, large]
    batches = list(SameSizeBatchSampler(sizes, 2))
    assert batches == [[0, 1], [2], [3], [4], [5, 6]]
    assert all(len({sizes[index] for index in batch}) == 1 for batch in batches)


@pytest.mark.parametrize(("samples", "world_size"), [(7, 2), (8, 3), (1, 3)])
def test_processes_share_the_batches_and_have_as_many(samples, world_size):
    sizes = [(4, 6)] * samples
    parts = [
        list(SameSizeBatchSampler(sizes, 2, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert len({len(part) for part in parts}) == 1
    seen = [index for part in parts for batch in part for index in batch if index != PADDING_INDEX]
    assert sorted(seen) == list(range(samples))
    alone = list(SameSizeBatchSampler(sizes, 2))
    assert all(batch in alone for part in parts for batch in part if batch != [PADDING_INDEX])


def test_an_epoch_is_gone_on_with_after_its_first_samples():
    options = {"seed": 3, "samples_per_epoch": 14}
    order = SampleOrder(10, **options)
    assert list(order.iter_epoch(4, 5)) == epoch(4, **options)[5:]
    assert len(order) == 14
    assert list(order.iter_epoch(4, 14)) == []


PIXELS = np.array([[90, 10, 0], [100, 0, 0], [100, 0, 0], [99, 0, 1], [0, 0, 0]])


def test_samples_with_rare_classes_are_drawn_more_often():
    shares = rare_class_shares(PIXELS, 0.01)
    assert shares.sum() == pytest.approx(1)
    assert shares[3] > 0.9, "the rarest class is in the fourth sample alone"
    assert shares[4] == 0, "nothing in it can be learnt"
    alike = rare_class_shares(PIXELS, 1e6)
    assert alike == pytest.approx([1 / 12 + 1 / 3, 1 / 12, 1 / 12, 1 / 12 + 1 / 3, 0])
    drawn = np.bincount(
        [index for _, index in epoch(0, 5, 0, samples_per_epoch=5000, shares=alike)],
        minlength=5,
    )
    assert drawn / 5000 == pytest.approx(alike, abs=0.02)


def test_drawn_samples_never_share_an_augmentation_and_resume_where_they_stopped():
    shares = rare_class_shares(PIXELS, 1.0)
    order = SampleOrder(5, seed=0, samples_per_epoch=7, shares=shares)
    seen = [key for number in range(4) for key in order.iter_epoch(number)]
    assert len(set(seen)) == len(seen) == 28
    assert list(order.iter_epoch(2, 3)) == seen[17:21]
