"""Further inputs of every image, such as depth: files of their own that become channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from outtake.core.errors import DataRootError, PairingError, SizeMismatchError
from outtake.core.printable_text import list_some
from outtake.core.types import Frame
from outtake.data.folder_layouts import resolve_path
from outtake.data.image_files import read_image
from outtake.data.list_pictures import list_pictures
from outtake.data.pair_files import common_ending
from outtake.data.sample_range import SampleRange
from outtake.data.source import SegmentationSource
from outtake.data.split_names import list_split_folders

KEY = "data.further_inputs"
IMAGE = "image"  # what the image itself is called beside its further inputs


@dataclass(frozen=True)
class FurtherInput:
    """What a network knows of an input beside the image.

    Attributes:
        name: Its name, such as ``depth``.
        channels: The number of its channels.
        sample_range: The values of its samples that became 0 and 255; None for 8 bits.
        converts: Whether files of other channels are converted, as where the user named them.
        plate_offsets: The distances in frames of the frames that the input is computed from, see
            :class:`outtake.motion.plate_residual.PlateResidual`; empty for one that has files.
    """

    name: str
    channels: int
    sample_range: SampleRange | None = None
    converts: bool = False
    plate_offsets: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint."""
        limits = None if self.sample_range is None else self.sample_range.to_dict()
        return asdict(self) | {
            "sample_range": limits,
            "plate_offsets": list(self.plate_offsets),
        }

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
            tuple(map(int, values.get("plate_offsets", ()))),
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


def from_files(inputs: Sequence[FurtherInput]) -> tuple[FurtherInput, ...]:
    """Return the inputs that have files, and not those that are computed from the clip."""
    return tuple(each for each in inputs if not each.plate_offsets)


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
    wanted = [each.name for each in from_files(trained)]
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


def get_further_inputs(source: SegmentationSource) -> tuple[FurtherInput, ...]:
    """Return the ``further_inputs`` of a source that has some."""
    return tuple(getattr(source, "further_inputs", ()))


def find_input_folder(key: str, given: str, root: Path, split: str) -> Path:
    """Return the folder of what a split has beside its images and masks.

    Args:
        key: The config key that names it, for messages.
        given: Its path: in the root, in the folder of a split there, or by itself.
        root: The folder of the data set.
        split: The split, of which it may have a subfolder.

    Raises:
        DataRootError: There is none.
    """
    place = resolve_path(given, root)
    # A val that was cut out of train has its files where train has them.
    for each in (split, "train") if split == "val" else (split,):
        below = (folder / given for folder in list_split_folders(root, each))
        for folder in (*list_split_folders(place, each), *below):
            if folder.is_dir():
                return folder
    if place.is_dir():
        return place
    raise DataRootError(
        f"{key}={given}: no such folder, in {root} or by itself; give the folder of its files, "
        "which may have a subfolder for each split"
    )


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
