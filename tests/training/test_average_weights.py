from __future__ import annotations

import torch

from outtake.training.average_weights import average_states, choose_greedily, find_difference


def test_the_mean_is_exact_and_counters_are_those_of_the_first() -> None:
    states = [
        {"w": torch.full((2,), n, dtype=torch.float16), "n": torch.tensor(n)} for n in (1, 2, 6)
    ]
    found = average_states(states)
    assert found["w"].dtype == torch.float16 and found["w"].tolist() == [3, 3]
    assert found["n"] == 1
    found["n"] += 1
    assert states[0]["n"] == 1, "nothing is shared with what went in"


def test_the_first_difference_of_two_architectures_is_named() -> None:
    first = {"a": torch.zeros(2), "b": torch.zeros(3, 1)}
    assert find_difference(first, {key: value + 1 for key, value in first.items()}) is None
    assert find_difference(first, {"a": torch.zeros(2)}) == "b is in one only"
    assert find_difference(first, first | {"b": torch.zeros(3)}) == "b is (3, 1) and (3,)"


def test_greedy_keeps_what_does_not_lower_the_score() -> None:
    values = {0: 1.0, 1: 5.0, 2: -3.0, 3: 3.0}
    asked = []

    def score(places):
        asked.append(list(places))
        return 0.9 if 2 not in places else 0.1

    kept, best = choose_greedily([values[n] / 10 for n in range(4)], score)
    assert kept == [1, 3, 0] and best == 0.9
    assert asked == [[1, 3], [1, 3, 0], [1, 3, 0, 2]], "the best first"
