"""One network out of several of one architecture: the mean of their weights (a "model soup").

Networks that were trained on from the same weights lie in one valley of the loss, and their mean
often does better than each (Wortsman et al. 2022). Networks that began from other random weights
do not, and their mean knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

State = Mapping[str, torch.Tensor]


def average_states(states: Sequence[State]) -> dict[str, torch.Tensor]:
    """Return the mean of each tensor, computed in float64; what counts is taken from the first.

    Args:
        states: The state dicts of networks of one architecture; see :func:`find_difference`.
    """
    found = {}
    for name, first in states[0].items():
        if first.is_floating_point():
            total = sum((state[name].double() for state in states[1:]), first.double())
            found[name] = (total / len(states)).to(first.dtype)
        else:
            found[name] = first.clone()
    return found


def find_difference(state: State, other: State) -> str | None:
    """Return the first tensor that two state dicts do not share, in words; None if they fit."""
    for name in [*state, *other]:
        if name not in state or name not in other:
            return f"{name} is in one only"
        if state[name].shape != other[name].shape:
            return f"{name} is {tuple(state[name].shape)} and {tuple(other[name].shape)}"
    return None


def choose_greedily(
    scores: Sequence[float], score_mean: Callable[[Sequence[int]], float]
) -> tuple[list[int], float]:
    """Add networks, the best first, as long as the mean of all so far scores no less.

    Args:
        scores: The score of each network alone, higher is better.
        score_mean: Returns the score of the mean of some, by their places.

    Returns:
        The places of those that were kept, in the order of adding, and the score of their mean.
    """
    ranked = sorted(range(len(scores)), key=lambda place: -scores[place])
    kept, best = ranked[:1], scores[ranked[0]]
    for place in ranked[1:]:
        score = score_mean([*kept, place])
        if score >= best:
            kept, best = [*kept, place], score
    return kept, best
