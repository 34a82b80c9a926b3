"""Further inputs of every image, such as depth: files of their own that become channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from outtake.core.errors import ConfigError, DataRootError, PairingError, SizeMismatchError
from outtake.core.printable_text import list_some
from outtake.core.types import Frame, LabelMap
from outtake.data.folder_layouts import SPLIT_NAMES, resolve_path
from outtake.data.image_files import read_image
from outtake.data.list_pictures import list_pictures
from outtake.data.pair_files import common_ending
from outtake.data.sample_range import SampleRange, find_range, get_sample_range, read_range_option
from outtake.data.source import SPLITS, Sample, SegmentationSource

KEY = "data.further_inputs"
IMAGE = "image"  # what the image itself is called beside its further inputs
_OPTIONS = ("folder", "range", "channels")


@dataclass(frozen=True)
class FurtherInput:
    """What a network knows of an input beside the image.

    Attributes:
        name: Its name, such as ``depth``.
        channels: The number of its channels.
        sample_range: The values of its samples that became 0 and 255; None for 8 bits.
        converts: Whether files of other channels are converted, as where the user named them.
    """

    name: str
    channels: int
    sample_range: SampleRange | None = None
    converts: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint."""
        limits = None if self.sample_range is None else self.sample_range.to_dict()
        return asdict(self) | {"sample_range": limits}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned.

        Raises:
            KeyError, TypeError, ValueError: The values are others.
        """
        limits = values["sample_range"]
        return cls(
            str(values["name"]),
            int(values["channels"]),
            None if limits is None else SampleRange.from_dict(limits),
            bool(values["converts"]),
        )

    def read(self, path: str | Path, size: tuple[int, int], image: str | Path) -> Frame:
        """Return the input of one image, uint8 (H, W, channels).

        Args:
            path: The file.
            size: The height and width of the image.
            image: The image, for messages.

        Raises:
            UnreadableImageError: The file cannot be decoded, or converted to these channels.
            DataRootError: It has other channels.
            SizeMismatchError: It has another size than the image.
        """
        found = read_image(path, self.channels if self.converts else None, self.sample_range)
        if found.shape[2] != self.channels:
            raise DataRootError(
                f"{path} has {found.shape[2]} channels, and the input {self.name} {self.channels}: "
                f"convert it, or set {KEY}.{self.name}.channels to 1 or 3 in training"
            )
        check_size(path, (found.shape[0], found.shape[1]), size, image)
        return found


def check_size(
    path: object, found: tuple[int, int], wanted: tuple[int, int], image: object
) -> None:
    """Raise a SizeMismatchError unless a further input has the (height, width) of its image."""
    if found != wanted:
        raise SizeMismatchError(
            f"{path} is {found[1]}x{found[0]} and {image}, whose further input it is, "
            f"{wanted[1]}x{wanted[0]}; bring them to one size, so that pixels lie over each other"
        )


def count_channels(inputs: Sequence[FurtherInput]) -> int:
    """Return the number of channels of all further inputs together."""
    return sum(each.channels for each in inputs)


def explain_difference(
    trained: Sequence[FurtherInput], names: Sequence[str], key: str, place: str = "FOLDER"
) -> str | None:
    """Return why named inputs are not those that a network was trained with; None if they are.

    Args:
        trained: What the network was trained with.
        names: What is given, in any order.
        key: The config key that names them.
        place: What the key takes for each.
    """
    wanted = [each.name for each in trained]
    if sorted(wanted) == sorted(names):
        return None
    if not wanted:
        given = ", ".join(names)
        return f"{key}={{{given}}}: the network takes nothing beside the image; leave it out"
    example = ",".join(f"{name}:{place}" for name in wanted)
    given = f"{', '.join(names)} given" if names else "none given"
    return (
        f"the network was trained with further inputs, {', '.join(wanted)}, and there are "
        f"{given}: set '{key}={{{example}}}'"
    )


class StackedInputs:
    """A data set whose images have further inputs as channels behind their own.

    An input has a file for each image, of the name of the image (its id), in ``FOLDER/SPLIT``,
    ``SPLIT/FOLDER`` or ``FOLDER``. If all names of a folder end alike, as in ``cat_depth.png``,
    that ending is left out. Whatever else the data set has is passed on.

    Args:
        source: The data set.
        folders: The folder of each input by its name; or ``folder``, ``range`` (``auto`` or the
            values that become black and white) and ``channels`` (1 or 3 converts).
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
        if hasattr(source, "recorded_report"):
            raise ConfigError(
                f"{KEY}: shards have no names of files to find others by; set it to null, or train "
                "on the data set that was packed"
            )
        self._source = source
        self.name, self.labels = source.name, source.labels
        self.sample_range = get_sample_range(source)
        place: str = root or str(getattr(source, "root", "."))
        self._root = Path(place).expanduser()
        known = {each.name: each for each in trained}
        if trained and (problem := explain_difference(trained, list(folders), KEY)) is not None:
            raise ConfigError(problem)
        options = {name: _read_options(name, folders[name]) for name in known or folders}
        self._folders = {name: str(each["folder"]) for name, each in options.items()}
        self.further_inputs: tuple[FurtherInput, ...] = ()
        first = self._first_samples()
        self.further_inputs = tuple(
            _find_input(name, each, [sample.further[place] for sample in first], known.get(name))
            for place, (name, each) in enumerate(options.items())
        )
        self.channels: int = source.channels + count_channels(self.further_inputs)

    def __getattr__(self, name: str) -> Any:
        """Return what the data set has beside what every one has."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split with the files of their inputs.

        Raises:
            PairingError: An image has no file of an input.
            DataRootError: There is no such folder.
        """
        samples = self._source.samples(split)
        ids = [sample.id for sample in samples]
        found = [
            find_input_files(f"{KEY}.{name}", self._find_folder(name, split), ids)
            for name in self._folders
        ]
        return [
            replace(sample, further=tuple(map(str, files)))
            for sample, files in zip(samples, zip(*found, strict=True), strict=True)
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
            for each, path in zip(self.further_inputs, sample.further, strict=True)
        ]
        return np.concatenate([image, *parts], axis=2)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W)."""
        return self._source.read_mask(sample)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's file, of those of its inputs, and of the mask's."""
        image, *others = self._source.sample_bytes(sample)
        return (image, *(Path(path).read_bytes() for path in sample.further), *others)

    def _first_samples(self) -> list[Sample]:
        """Return the training samples, or those of another split where there are none."""
        return self.samples(next((each for each in SPLITS if self._has_split(each)), SPLITS[0]))

    def _has_split(self, split: str) -> bool:
        try:
            return bool(self._source.samples(split))
        except DataRootError:
            return False

    def _find_folder(self, name: str, split: str) -> Path:
        given = self._folders[name]
        place = resolve_path(given, self._root)
        # A val that was cut out of train has its files where train has them.
        for each in (split, "train") if split == "val" else (split,):
            for word in SPLIT_NAMES[each]:
                for folder in (place / word, self._root / word / given):
                    if folder.is_dir():
                        return folder
        if place.is_dir():
            return place
        raise DataRootError(
            f"{KEY}.{name}={given}: no such folder, in {self._root} or by itself; give the folder "
            f"of its files, which may have a subfolder for each split"
        )


def get_further_inputs(source: SegmentationSource) -> tuple[FurtherInput, ...]:
    """Return the ``further_inputs`` of a source that has some."""
    return tuple(getattr(source, "further_inputs", ()))


def _read_options(name: str, value: Any) -> dict[str, Any]:
    """Return ``folder``, ``range`` and ``channels`` of an input, whichever way it was given."""
    if name == IMAGE:
        raise ConfigError(f"{KEY}.{IMAGE}: so the image itself is called; choose another name")
    given = value if isinstance(value, Mapping) else {"folder": value}
    if wrong := sorted(set(given) - set(_OPTIONS)):
        raise ConfigError(f"{KEY}.{name}.{wrong[0]}: no such key; there are {', '.join(_OPTIONS)}")
    if not isinstance(given.get("folder"), str):
        raise ConfigError(f"{KEY}.{name} has no folder: set '{KEY}={{{name}:FOLDER}}'")
    channels = given.get("channels")
    if channels not in (None, 1, 3):
        raise ConfigError(f"{KEY}.{name}.channels={channels}: give 1 (grey), 3 (RGB) or null")
    limits = read_range_option(given.get("range", "auto"), f"{KEY}.{name}.range")
    return {"folder": given["folder"], "range": limits, "channels": channels}


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


def find_input_files(key: str, folder: object, ids: Sequence[str]) -> list[Path]:
    """Return the file of each image in the folder of a further input, by its name.

    Args:
        key: The config key of the folder, for messages.
        folder: The folder.
        ids: The name of each image: its path under its own folder without extension.

    Raises:
        DataRootError: There is no such folder.
        PairingError: An image has no file there, or two.
    """
    place = Path(str(folder)).expanduser()
    if not place.is_dir():
        raise DataRootError(f"{key}={folder}: no such folder; give the folder of its files")
    listed = list_pictures(place)
    files = listed.pictures
    ending = "" if any(each in files for each in ids) else common_ending(list(files))
    wanted = {f"{each}{ending}" for each in ids}
    if double := [each for each in listed.repeated if each[0] in wanted]:
        _, kept, other = double[0]
        raise PairingError(
            f"{key}: two files are the input of one image: {kept.name} and {other.name} in "
            f"{other.parent}; keep one"
        )
    missing = [each for each in ids if f"{each}{ending}" not in files]
    if missing:
        raise PairingError(
            f"{key}: {len(missing)} of {len(ids)} images have no file of their name in "
            f"{place}: {list_some(missing)}; add them, or take the images away"
        )
    return [files[f"{each}{ending}"] for each in ids]
