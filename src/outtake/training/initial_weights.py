"""Begin a network from the weights of another one: what fits is loaded, what does not is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from outtake.core.errors import CheckpointError, ConfigError
from outtake.core.printable_text import list_some
from outtake.models.first_filters import RGB_CHANNELS, fit_filters
from outtake.models.late_fusion import LateFusion
from outtake.models.weight_files import PREFIXES, list_dropped_parts, match_names
from outtake.training.task import SegmentationTask


@dataclass(frozen=True)
class InitialWeights:
    """Weights that a run may begin from.

    Attributes:
        path: Their file.
        sha256: The digest of that file, in hex.
        state: Tensors by name.
        channels: The number of channels of the images that they were trained on, None where that
            is not known.
        classes: The names of their classes, None where these are not known.
        normalisation: The state of their normalisation, None where that is not known.
    """

    path: Path
    sha256: str
    state: Mapping[str, torch.Tensor]
    channels: int | None = None
    classes: tuple[str, ...] | None = None
    normalisation: Mapping[str, torch.Tensor] | None = None


@dataclass(frozen=True)
class WeightMatch:
    """Which tensors of a network were taken from others.

    Attributes:
        source: The weights.
        taken: The names of those that fitted, adapted ones included.
        dropped: The parts of the names in the source that those of the network lack, such as
            ``module.``.
        adapted: The names of the filters that were adapted to another number of channels.
        other_shape: The shapes, given and needed, of those that did not fit, by name.
        missing: The names of those that the source lacks.
        unused: The names in the source that the network does not have.
        remarks: What else the user should know, a clause each.
        member: The member of a late fusion that began from them; empty for the network itself.
    """

    source: InitialWeights
    taken: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    other_shape: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    member: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, for the run folder."""
        return {
            "checkpoint": str(self.source.path),
            "sha256": self.source.sha256,
            "taken": self.taken,
            "dropped": self.dropped,
            "adapted": self.adapted,
            "other_shape": {
                name: {"given": given, "needed": needed}
                for name, (given, needed) in self.other_shape.items()
            },
            "missing": self.missing,
            "unused": self.unused,
            "remarks": self.remarks,
        }

    def describe(self) -> str:
        """Return one line: counts and first names."""
        anew = [*self.other_shape, *self.missing]
        without = f", without {' and '.join(self.dropped)} in their names" if self.dropped else ""
        parts = [
            f"{len(self.taken)} of {len(self.taken) + len(anew)} tensors taken{without}",
            *_list_names("adapted to other channels", self.adapted),
            *_list_names("of another shape, begin anew", list(self.other_shape)),
            *_list_names("not in it, begin anew", self.missing),
            *_list_names("of it not used", self.unused),
            *self.remarks,
        ]
        return f"{name_initial_key(self.member)}={self.source.path}: {'; '.join(parts)}"


def load_initial_weights(
    net: nn.Module,
    source: InitialWeights,
    channels: int,
    classes: Sequence[str] = (),
    member: str = "",
) -> WeightMatch:
    """Load what fits into a network, in place.

    A tensor fits if its shape is the same, and its name but for what is before all names, see
    :func:`outtake.models.weight_files.match_names`. Filters for another number of channels are
    adapted as those of encoder weights are.

    Args:
        net: The network.
        source: The weights.
        channels: The number of channels of the network's images.
        classes: The names of the network's classes.
        member: Its name in a late fusion, if it is a member of one. The weights may be those of a
            late fusion too, of which those of the member of this name are taken.

    Raises:
        CheckpointError: Nothing fits.
    """
    own = net.state_dict()
    prefixes = (*PREFIXES, f"members.{member}.") if member else PREFIXES
    names = match_names(own, source.state, prefixes)
    match, fitted = WeightMatch(source, member=member), {}
    given_channels = source.channels or RGB_CHANNELS
    for key, needed in own.items():
        found = source.state[names[key]] if key in names else None
        fitting = None if found is None else fit_filters(found, needed, given_channels, channels)
        if found is not None and fitting is not None:
            fitted[key] = fitting
            if found.shape != needed.shape:
                match.adapted.append(key)
        elif not needed.is_floating_point():
            continue  # counters, which older files lack and on which nothing depends
        elif found is not None:
            match.other_shape[key] = (list(found.shape), list(needed.shape))
        else:
            match.missing.append(key)
    match.taken.extend(key for key in fitted if own[key].is_floating_point())
    match.dropped.extend(list_dropped_parts({key: names[key] for key in fitted}))
    used = set(names.values())
    match.unused.extend(key for key in source.state if key not in used)
    if not match.taken:
        raise _nothing_fits_error(match, own)
    net.load_state_dict(fitted, strict=False)
    same_count = source.classes is not None and len(source.classes) == len(classes)
    if same_count and source.classes != tuple(classes):
        match.remarks.append("its classes are others, in number as many: its scores were taken")
    return match


def load_into_members(
    task: SegmentationTask, sources: Mapping[str, InitialWeights], channels: int
) -> dict[str, WeightMatch]:
    """Load weights into members of a late fusion, or into the network itself, in place.

    Args:
        task: The task.
        sources: The weights by the names of members; under an empty name those of the network.
        channels: The number of channels of the images.

    Raises:
        CheckpointError: Of one of them nothing fits.
        ConfigError: The network has no such member.
    """
    return {name: load_into_task(task, each, channels, name) for name, each in sources.items()}


def load_into_task(
    task: SegmentationTask, source: InitialWeights, channels: int, member: str = ""
) -> WeightMatch:
    """Load what fits into the network of a task, in place; remark on other pixel values.

    Raises:
        CheckpointError: Nothing fits.
        ConfigError: The network has no such member.
    """
    net, places = _find_member(task.net, member, channels)
    match = load_initial_weights(net, source, len(places), task.labels.names, member)
    if source.normalisation is not None and not _is_same_normalisation(
        source.normalisation, task.normalize.state_dict(), places
    ):
        match.remarks.append("it was trained with another normalize")
    return match


def describe_matches(matches: Mapping[str, WeightMatch]) -> dict[str, Any]:
    """Return plain containers for the run folder; those of several members by their names."""
    described = {name: match.to_dict() for name, match in matches.items()}
    return described.get("", {"members": described})


def _find_member(net: nn.Module, member: str, channels: int) -> tuple[nn.Module, Sequence[int]]:
    """Return a member of a late fusion, or the network itself, and the places of its channels."""
    if not member:
        return net, range(channels)
    members = dict(net.members.items()) if isinstance(net, LateFusion) else {}
    if member not in members:
        raise ConfigError(
            f"init_from.{member}: model has no such member; it has {', '.join(members) or 'none'}"
        )
    assert isinstance(net, LateFusion)
    return members[member], net.member_channels[member]


def _is_same_normalisation(
    given: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor], places: Sequence[int]
) -> bool:
    """Return whether values are those of all channels, or those of the channels at some places."""

    def equal(key: str) -> bool:
        parts = (own[key], own[key][:, list(places)]) if own[key].dim() == 4 else (own[key],)
        return any(
            given[key].shape == part.shape and torch.allclose(given[key], part) for part in parts
        )

    return given.keys() == own.keys() and all(map(equal, own))


def name_initial_key(member: str) -> str:
    """Return the option that names the weights of a member, or under no name of the network."""
    return f"init_from.{member}" if member else "init_from"


def _nothing_fits_error(match: WeightMatch, own: Mapping[str, torch.Tensor]) -> CheckpointError:
    if match.other_shape:
        name, (given, needed) = next(iter(match.other_shape.items()))
        reason = f"{name} has the shape {given} there and {needed} here"
    else:
        there = next(iter(match.source.state), "nothing")
        reason = f"it has names such as {there}, this network {next(iter(own), 'no weights')}"
    fusion = any(name.startswith("members.") for name in own)
    members = ", or those of a member as init_from={MEMBER: PATH}" if fusion else ""
    return CheckpointError(
        f"{name_initial_key(match.member)}={match.source.path}: nothing of it fits the network; "
        f"{reason}; give weights of the same architecture{members}, or leave init_from out"
    )


def _list_names(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} {what} ({list_some(names)})"]
