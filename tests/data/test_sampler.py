from collections import Counter

import pytest

from outtake.data.sampler import EpochSampler, EqualSizeBatches, mixed_seed


def epoch(number, count=10, seed=3, **options):
    sampler = EpochSampler(count, seed=seed, **options)
    sampler.set_epoch(number)
    return list(sampler)


def test_an_epoch_is_every_sample_once_in_an_order_of_its_own():
    first, second = epoch(0), epoch(1)
    assert sorted(index for _, index in first) == list(range(10))
    assert {number for number, _ in second} == {1}
    assert [index for _, index in first] != [index for _, index in second]
    assert first == epoch(0) != epoch(0, seed=4)


def test_iterating_other_epochs_before_changes_nothing():
    sampler = EpochSampler(10, seed=3)
    for number in (5, 2, 2):
        sampler.set_epoch(number)
        assert list(sampler) == epoch(number)


@pytest.mark.parametrize("samples", [4, 25])
def test_short_and_long_epochs_see_all_samples_equally_often(samples):
    keys = [key for number in range(10) for key in epoch(number, samples_per_epoch=samples)]
    assert len(keys) == len(set(keys)) == 10 * samples
    assert set(Counter(index for _, index in keys).values()) == {samples}


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_samples_without_overlap(world_size):
    keys = []
    for number in range(3):
        parts = [epoch(number, rank=rank, world_size=world_size) for rank in range(world_size)]
        assert len({len(part) for part in parts}) == 1
        keys += [key for part in parts for key in part]
    assert len(keys) == len(set(keys))
    assert {(number, index) for number in range(3) for index in range(10)} <= set(keys)


def test_seeds_differ_by_purpose_and_by_every_number():
    seeds = {
        mixed_seed(purpose, seed, number, index)
        for purpose in ("order", "augment")
        for seed in range(4)
        for number in range(12)
        for index in range(12)
    }
    assert len(seeds) == 2 * 4 * 12 * 12


def test_batches_group_neighbours_of_one_size_and_keep_the_order():
    small, large = (4, 6), (8, 6)
    sizes = [small, small, small, large, small, large, large]
    batches = list(EqualSizeBatches(sizes, 2))
    assert batches == [[0, 1], [2], [3], [4], [5, 6]]
    assert all(len({sizes[index] for index in batch}) == 1 for batch in batches)


def test_processes_share_the_batches():
    sizes = [(4, 6)] * 7
    parts = [list(EqualSizeBatches(sizes, 2, rank=rank, world_size=2)) for rank in range(2)]
    assert sorted(index for part in parts for batch in part for index in batch) == list(range(7))


@pytest.mark.parametrize("world_size", [1, 2])
def test_an_epoch_is_gone_on_with_after_its_first_samples_and_only_once(world_size):
    options = {"seed": 3, "samples_per_epoch": 14, "world_size": world_size}
    sampler = EpochSampler(10, **options)
    sampler.resume(4, 5)
    sampler.set_epoch(0)
    assert list(sampler) == epoch(4, **options)[5:]
    assert len(sampler) == 14 // world_size
    assert list(sampler) == epoch(0, **options)


def test_an_epoch_of_which_nothing_is_left_does_not_eat_the_next():
    sampler = EpochSampler(10, seed=3)
    sampler.resume(4, 10)
    sampler.set_epoch(4)
    sampler.set_epoch(5)
    assert list(sampler) == epoch(5)
