"""A data set whose images have further inputs, such as depth, as channels behind their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.data.extended_source import ExtendedSource, find_root
from outtake.data.find_sample_range import find_range
from outtake.data.further_inputs import (
    IMAGE,
    KEY,
    FurtherInput,
    count_channels,
    explain_difference,
    find_input_files,
    find_input_folder,
    from_files,
)
from outtake.data.image_files import read_image
from outtake.data.sample_range import read_range_option
from outtake.data.source import Sample, SegmentationSource

_OPTIONS = ("folder", "range", "channels", "plate_offsets")
_RESIDUAL_CHANNELS = 3
_MOST_OFFSETS, _LONGEST_OFFSET = 4, 250


@runtime_checkable
class FramesWithPlate(Protocol):
    """A data set whose images are frames of a clip, from which a plate can be made."""

    def read_plate_residual(self, sample: Sample, offsets: tuple[int, ...]) -> Frame:
        """Return what differs from the clip's own plate, uint8 (H, W, 3), 128 for nothing."""
        ...


class StackedInputs(ExtendedSource):
    """A data set whose images have further inputs as channels behind their own.

    An input has a file for each image, of the name of the image (its id), in ``FOLDER/SPLIT``,
    ``SPLIT/FOLDER`` or ``FOLDER``. If all names of a folder end alike, as in ``cat_depth.png``,
    that ending is left out. Whatever else the data set has is passed on.

    An input may instead be computed: what differs from the plate of the clip that the images are
    of. It needs no files, comes after those that do, and goes with ``data=clip``.

    Args:
        source: The data set.
        folders: The folder of each input by its name; or ``folder``, ``range`` (``auto`` or the
            values that become black and white) and ``channels`` (1 or 3 converts); or
            ``plate_offsets``, the distances in frames of the frames that make the plate.
        root: What relative folders lie in; None for the data set's own root.
        trained: The inputs of the network that is to be scored, whose ranges are kept.

    Attributes:
        further_inputs: The inputs in the order of their channels: that of the network that is
            scored, or that of their names in the config.

    Raises:
        ConfigError: An option is wrong, or the network has other inputs.
        DataRootError: There is no such folder.
        PairingError, UnreadableImageError: The first files are missing or cannot be read.
    """

    def __init__(
        self,
        source: SegmentationSource,
        folders: Mapping[str, Any],
        root: str | None = None,
        trained: Sequence[FurtherInput] = (),
    ) -> None:
        self._root = find_root(source, root, KEY)
        super().__init__(source)
        options = {name: _read_options(name, folders[name]) for name in folders}
        computed = _computed_inputs({} if trained else options)
        computed += tuple(each for each in trained if each.plate_offsets)
        if computed and not isinstance(source, FramesWithPlate):
            raise ConfigError(_explain_no_plate(computed[0].name, source.name))
        given = {name: each for name, each in options.items() if not each["plate_offsets"]}
        known = {each.name: each for each in from_files(trained)}
        if trained and (problem := explain_difference(trained, list(given), KEY)) is not None:
            raise ConfigError(problem)
        options = {name: given[name] for name in known or given}
        self._folders = {name: str(each["folder"]) for name, each in options.items()}
        self.further_inputs = ()
        first = self._first_samples()
        self.further_inputs = tuple(
            _find_input(name, each, [sample.further[place] for sample in first], known.get(name))
            for place, (name, each) in enumerate(options.items())
        )
        self.further_inputs += computed
        self.channels = source.channels + count_channels(self.further_inputs)

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split with the files of their inputs.

        Raises:
            PairingError: An image has no file of an input.
            DataRootError: There is no such folder.
        """
        samples = self._source.samples(split)
        ids = [sample.id for sample in samples]
        found = [
            find_input_files(
                f"{KEY}.{name}", find_input_folder(f"{KEY}.{name}", given, self._root, split), ids
            )
            for name, given in self._folders.items()
        ]
        return [
            replace(sample, further=tuple(str(files[place]) for files in found))
            for place, sample in enumerate(samples)
        ]

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels), those of the image first.

        Raises:
            UnreadableImageError: A file cannot be decoded.
            SizeMismatchError: An input has another size than the image.
        """
        image = self._source.read_image(sample)
        size = (image.shape[0], image.shape[1])
        parts = [
            each.read(path, size, sample.image)
            for each, path in zip(from_files(self.further_inputs), sample.further, strict=True)
        ]
        return np.concatenate([image, *parts, *self._residuals(sample)], axis=2)

    def _residuals(self, sample: Sample) -> list[Frame]:
        source: Any = self._source
        return [
            source.read_plate_residual(sample, each.plate_offsets)
            for each in self.further_inputs
            if each.plate_offsets
        ]

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's file, of those of its inputs, and of the mask's."""
        image, *others = self._source.sample_bytes(sample)
        files = (Path(path).read_bytes() for path in sample.further)
        return (image, *files, *(each.tobytes() for each in self._residuals(sample)), *others)


def _read_options(name: str, value: Any) -> dict[str, Any]:
    """Return ``folder``, ``range`` and ``channels`` of an input, whichever way it was given."""
    if name == IMAGE:
        raise ConfigError(f"{KEY}.{IMAGE}: so the image itself is called; choose another name")
    given = value if isinstance(value, Mapping) else {"folder": value}
    if wrong := sorted(set(given) - set(_OPTIONS)):
        raise ConfigError(f"{KEY}.{name}.{wrong[0]}: no such key; there are {', '.join(_OPTIONS)}")
    offsets = given.get("plate_offsets")
    if offsets is not None:
        return {"plate_offsets": _read_offsets(f"{KEY}.{name}.plate_offsets", offsets, given)}
    if not isinstance(given.get("folder"), str):
        raise ConfigError(f"{KEY}.{name} has no folder: set '{KEY}={{{name}:FOLDER}}'")
    channels = given.get("channels")
    if channels not in (None, 1, 3):
        raise ConfigError(f"{KEY}.{name}.channels={channels}: give 1 (grey), 3 (RGB) or null")
    limits = read_range_option(given.get("range", "auto"), f"{KEY}.{name}.range")
    return {"folder": given["folder"], "range": limits, "channels": channels, "plate_offsets": ()}


def _read_offsets(key: str, value: Any, given: Mapping[str, Any]) -> tuple[int, ...]:
    if others := sorted(set(given) - {"plate_offsets"}):
        raise ConfigError(f"{key}: is computed from the clip, so {others[0]} has no meaning")
    is_list = isinstance(value, list | tuple) and 1 <= len(value) <= _MOST_OFFSETS
    if not is_list or not all(type(each) is int and 1 <= each <= _LONGEST_OFFSET for each in value):
        raise ConfigError(
            f"{key}={value}: give one to {_MOST_OFFSETS} distances in frames, each at most "
            f"{_LONGEST_OFFSET}, as [6,10,16,24]"
        )
    return tuple(sorted(set(value)))


def _computed_inputs(
    options: Mapping[str, Mapping[str, Any]],
) -> tuple[FurtherInput, ...]:
    return tuple(
        FurtherInput(name, _RESIDUAL_CHANNELS, plate_offsets=each["plate_offsets"])
        for name, each in options.items()
        if each["plate_offsets"]
    )


def _explain_no_plate(name: str, source: str) -> str:
    return (
        f"{KEY}.{name}: what differs from the plate of a clip needs frames of one clip, and "
        f"{source} has pictures of their own; use data=clip"
    )


def _find_input(
    name: str, options: Mapping[str, Any], files: Sequence[str], trained: FurtherInput | None
) -> FurtherInput:
    """Return what the first file and the range of some of the others make of an input."""
    key = f"{KEY}.{name}.range"
    known_range = None if trained is None else trained.sample_range
    limits = find_range(files, options["range"], known_range, key)
    if trained is not None:
        return replace(trained, sample_range=limits)
    asked = options["channels"]
    channels = asked or read_image(files[0], None, limits).shape[2]
    return FurtherInput(name, channels, limits, converts=asked is not None)


def add_further_inputs(
    source: SegmentationSource,
    folders: Mapping[str, Any] | None,
    root: str | None,
    trained: Sequence[FurtherInput] = (),
) -> SegmentationSource:
    """Return a data set with the inputs of ``data.further_inputs``, or as it is without any.

    Args:
        source: The data set.
        folders: Those inputs.
        root: The ``data.root``, in which they lie.
        trained: The further inputs of the network that is to be scored.

    Raises:
        ConfigError: The network has other inputs.
    """
    if folders or any(each.plate_offsets for each in trained):
        folders = folders or {}
        return StackedInputs(source, folders, root, trained)
    if (problem := explain_difference(trained, [], KEY)) is not None:
        raise ConfigError(problem)
    return source
