"""Several networks, each on its own channels of the image, whose scores are combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.models.training_logits import BOUNDARY, TrainingLogits, main_logits, training_heads

Combine = Literal["mean", "sum", "learned"]


class LateFusion(nn.Module):
    """Networks whose scores are combined (Long et al. 2015, section 4.2: one on RGB, one on HHA).

    Heads that a member has for training alone are those of the fusion, as ``MEMBER_HEAD``; where
    several members have a head for boundaries, the fusion has the mean of them.

    Args:
        members: The networks by name: float (B, own channels, H, W) to logits (B, classes, H, W).
        member_channels: The places of the channels that each member sees, by its name.
        classes: The number of classes.
        combine: ``mean`` or ``sum`` of the logits; ``learned`` is a 1x1 convolution over those of
            all members, which begins as their mean.

    Raises:
        ConfigError: ``combine`` is none of these, or the name of a member is not allowed.
    """

    def __init__(
        self,
        members: Mapping[str, nn.Module],
        member_channels: Mapping[str, Sequence[int]],
        classes: int,
        combine: Combine = "mean",
    ) -> None:
        super().__init__()
        if combine not in get_args(Combine):
            allowed = ", ".join(get_args(Combine))
            raise ConfigError(f"model.combine={combine}: allowed are {allowed}")
        for name in members:
            if "." in name or hasattr(nn.ModuleDict(), name):
                raise ConfigError(
                    f"model.members.{name}: a member cannot have this name; choose another, and "
                    "say in model.inputs what it sees"
                )
        self.members = nn.ModuleDict(dict(members))
        self.member_channels = {name: tuple(member_channels[name]) for name in members}
        self.combine = combine
        self.score = _make_mean(len(members), classes) if combine == "learned" else None

    @property
    def training_heads(self) -> tuple[str, ...]:
        """The names of the heads that the members have for training alone."""
        heads = [(name, head) for name in self.members for head in self._heads(name)]
        boundary = (BOUNDARY,) if any(head == BOUNDARY for _, head in heads) else ()
        return (*(f"{name}_{head}" for name, head in heads if head != BOUNDARY), *boundary)

    def forward(self, image: torch.Tensor) -> torch.Tensor | TrainingLogits:
        """Map float (B, C, H, W) to logits (B, classes, H, W), in training with heads if any."""
        outputs = {
            name: net(_select_channels(image, self.member_channels[name]))
            for name, net in self.members.items()
        }
        logits = self._combine([main_logits(each) for each in outputs.values()])
        with_heads = {k: each for k, each in outputs.items() if isinstance(each, TrainingLogits)}
        if not with_heads:
            return logits
        auxiliary = {
            f"{name}_{head}": scores
            for name, each in with_heads.items()
            for head, scores in each.auxiliary.items()
        }
        boundaries = [each.boundary for each in with_heads.values() if each.boundary is not None]
        boundary = torch.stack(boundaries).mean(0) if boundaries else None
        return TrainingLogits(logits, auxiliary, boundary)

    def _combine(self, logits: Sequence[torch.Tensor]) -> torch.Tensor:
        if self.score is not None:
            combined: torch.Tensor = self.score(torch.cat(list(logits), 1))
            return combined
        total = logits[0]
        for each in logits[1:]:
            total = total + each
        return total / len(logits) if self.combine == "mean" and len(logits) > 1 else total

    def _heads(self, name: str) -> tuple[str, ...]:
        return training_heads(self.members[name])


def _make_mean(members: int, classes: int) -> nn.Conv2d:
    """Return a 1x1 convolution of the logits of all members that gives their mean."""
    layer = nn.Conv2d(members * classes, classes, 1)
    with torch.no_grad():
        mean = torch.eye(classes, device=layer.weight.device).repeat(1, members) / members
        layer.weight.copy_(mean[:, :, None, None])
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    return layer


def _select_channels(image: torch.Tensor, channels: Sequence[int]) -> torch.Tensor:
    """Return the channels of an image at these places, as slices, which every runtime exports."""
    breaks = [i for i, (a, b) in enumerate(pairwise(channels), 1) if b != a + 1]
    runs = [channels[a:b] for a, b in pairwise([0, *breaks, len(channels)])]
    if len(runs) == 1 and len(channels) == image.shape[1]:
        return image
    parts = [image[:, run[0] : run[-1] + 1] for run in runs]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)
