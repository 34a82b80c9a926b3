"""Several data sets as one, the classes of each brought to those of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError, EmptySplitError, MissingSplitError
from outtake.core.labels import Colour, LabelSpace
from outtake.core.printable_text import list_some
from outtake.core.types import Frame, LabelMap
from outtake.data.sample_range import SampleRange, get_sample_range
from outtake.data.source import (
    DataChoice,
    Sample,
    SegmentationSource,
    check_split,
    find_group,
    warn_of_data,
)

LabelNames = Mapping[str, str | None]


class Combined:
    """Several data sets in one; the samples of one follow those of another.

    A class of a member becomes the class of the run that its label map names, or unlabelled where
    that is null. One that the map does not name keeps its name where the run has such a class, and
    is unlabelled otherwise; one line says which classes those are.

    Args:
        members: The data sets by name, in the order of their samples. Each is a mapping of
            ``source``, the data set, and ``labels``, its label map; without one, names stay.
        classes: The class names of the run; None takes all that the members have, after their maps.

    Raises:
        ConfigError: There is no member, a map names what is no class, or the members differ in
            their channels.
    """

    def __init__(
        self,
        members: Mapping[str, Mapping[str, SegmentationSource | LabelNames | None]],
        classes: Sequence[str] | None = None,
    ) -> None:
        if not members:
            raise ConfigError("data.source.members: name one data set at least; see docs/data.md")
        self.name = "+".join(members)
        maps = {name: _read_labels(name, member) for name, member in members.items()}
        sources = {name: _read_source(name, member) for name, member in members.items()}
        names = list(classes) if classes is not None else _unite(sources, maps)
        self.labels = _label_space(names, sources, maps)
        self._members = {
            name: _Member(source, _id_table(name, source.labels, maps[name], self.labels))
            for name, source in sources.items()
        }
        self.channels = _common_channels(sources)
        self.sample_range = _common_range(sources)

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of all members that have the split; their ids begin with its name.

        Raises:
            MissingSplitError: No member has it.
        """
        check_split(split)
        found: list[Sample] = []
        lacking: list[str] = []
        for name, member in self._members.items():
            try:
                samples = member.source.samples(split)
            except (MissingSplitError, EmptySplitError):
                lacking.append(name)
                continue
            found += [replace(sample, id=f"{name}/{sample.id}") for sample in samples]
        if not found:
            raise MissingSplitError(
                f"none of {', '.join(self._members)} has the split {split!r}",
                "give one of them a folder of it, or its source a val_fraction",
            )
        if lacking:
            warn_of_data(
                f"{', '.join(lacking)} has no split {split!r}: only the others are in it",
                DataChoice,
            )
        return found

    @property
    def flaws(self) -> dict[str, str]:
        """What the members left out or find wrong, one line each, with the file or folder."""
        return {
            f"{name}: {line}": where
            for name, member in self._members.items()
            for line, where in getattr(member.source, "flaws", {}).items()
        }

    def group(self, sample: Sample) -> str | None:
        """Return the recording that a sample is of; None where its data set does not know."""
        name, member, original = self._find(sample)
        found = find_group(member.source, original)
        return None if found is None else f"{name}/{found}"

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels)."""
        _, member, original = self._find(sample)
        return member.source.read_image(original)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids of the run, uint8 (H, W), 255 where unlabelled."""
        _, member, original = self._find(sample)
        return np.asarray(member.id_table[member.source.read_mask(original)])

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes that identify the sample."""
        _, member, original = self._find(sample)
        return member.source.sample_bytes(original)

    def _find(self, sample: Sample) -> tuple[str, _Member, Sample]:
        name, _, own_id = sample.id.partition("/")
        return name, self._members[name], replace(sample, id=own_id)


@dataclass(frozen=True)
class _Member:
    """A data set with the id of the run's class for each value of its label maps, uint8 (256,)."""

    source: SegmentationSource
    id_table: NDArray[np.uint8]


def _read_source(
    name: str, member: Mapping[str, SegmentationSource | LabelNames | None]
) -> SegmentationSource:
    source = member.get("source")
    if "/" in name or source is None or isinstance(source, Mapping):
        raise ConfigError(
            f"data.source.members.{name}: give it a name without '/', and its data set as "
            "source: {_target_: ...}"
        )
    return source


def _read_labels(
    name: str, member: Mapping[str, SegmentationSource | LabelNames | None]
) -> LabelNames:
    unknown = sorted(set(member) - {"source", "labels"})
    labels = member.get("labels") or {}
    if unknown or not isinstance(labels, Mapping):
        what = f"there is no key {unknown[0]!r}" if unknown else "labels must be a mapping"
        raise ConfigError(
            f"data.source.members.{name}: {what}; allowed are source, and labels as "
            "{car: vehicle, sky: null}"
        )
    return labels


def _unite(sources: Mapping[str, SegmentationSource], maps: Mapping[str, LabelNames]) -> list[str]:
    """Return the names of all classes after the maps, each once, in the order of the members."""
    names: dict[str, None] = {}
    for member, source in sources.items():
        for own in source.labels.names:
            name = maps[member].get(own, own)
            if name is not None:
                names.setdefault(name)
    return list(names)


def _label_space(
    names: Sequence[str],
    sources: Mapping[str, SegmentationSource],
    maps: Mapping[str, LabelNames],
) -> LabelSpace:
    """Return the classes, in the colours of the members where those are distinct."""
    colours: dict[str, Colour] = {}
    for member, source in sources.items():
        for own, colour in zip(source.labels.names, source.labels.colours, strict=True):
            colours.setdefault(maps[member].get(own, own) or "", colour)
    chosen = [colours[name] for name in names if name in colours]
    distinct = len(set(chosen)) == len(names)
    return LabelSpace.from_names(names, chosen if distinct else None)


def _id_table(
    member: str, own: LabelSpace, labels: LabelNames, run: LabelSpace
) -> NDArray[np.uint8]:
    where = f"data.source.members.{member}.labels"
    for name, target in labels.items():
        if name not in own.names:
            raise ConfigError(
                f"{where}: {name!r} is no class of {member}; it has {', '.join(own.names)}"
            )
        if target is not None and target not in run.names:
            raise ConfigError(
                f"{where}.{name}={target}: no class of the run, which has {', '.join(run.names)}"
            )
    table = np.full(256, run.ignore_index, np.uint8)
    lost = []
    for number, name in enumerate(own.names):
        target = labels.get(name, name)
        if target in run.names:
            table[number] = run.names.index(target)
        elif name not in labels:
            lost.append(name)
    if lost:
        warn_of_data(
            f"{member}: {list_some(lost, 10)} {'is' if len(lost) == 1 else 'are'} no class of the "
            f"run and unlabelled; say what becomes of them in {where}",
            DataChoice,
        )
    return table


def _common_channels(sources: Mapping[str, SegmentationSource]) -> int:
    channels = {name: source.channels for name, source in sources.items()}
    if len(set(channels.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in channels.items())
        raise ConfigError(f"data.source.members differ in their channels ({said})")
    return next(iter(channels.values()))


def _common_range(sources: Mapping[str, SegmentationSource]) -> SampleRange | None:
    ranges = [get_sample_range(source) for source in sources.values()]
    if all(each == ranges[0] for each in ranges):
        return ranges[0]
    warn_of_data(
        "the members have samples of different ranges, each brought to 8 bits by its own: the "
        "checkpoint keeps none of them, so a picture to label is brought to 8 bits by its own too",
        DataChoice,
    )
    return None
