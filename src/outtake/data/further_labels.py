"""Further label maps of every image, such as what is upright: files of their own, other classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outtake.core.errors import ConfigError, PairingError
from outtake.core.labels import LabelSpace
from outtake.core.printable_text import list_some
from outtake.core.types import LabelMap
from outtake.data.class_file import (
    ClassList,
    check_class_names,
    decoder_from_class_file,
    read_class_file,
)
from outtake.data.extended_source import ExtendedSource, find_root
from outtake.data.folder_layouts import resolve_path
from outtake.data.further_inputs import find_input_files, find_input_folder
from outtake.data.image_files import read_stored_mask
from outtake.data.mask_encoding import MaskDecoder
from outtake.data.matlab_file import read_matlab
from outtake.data.source import Sample, SegmentationSource

KEY = "data.further_labels"
FIRST = "labels"  # what the label map of the data set itself is called beside others
MOST_FURTHER_LABELS = 7  # targets that each step of augmentation knows
_OPTIONS = ("folder", "classes", "ignore", "weight")
_MATLAB, _MATLAB_KEY = ".mat", "S"  # as SIFT Flow stores its geometric labels


class FurtherLabelMaps(ExtendedSource):
    """A data set whose images have further label maps beside their masks.

    A label map has a file for each image, of the name of the image (its id), in ``FOLDER/SPLIT``,
    ``SPLIT/FOLDER`` or ``FOLDER``: a mask as those of :class:`outtake.data.folder.Folder`, or a
    ``.mat`` of MATLAB with the ids as ``S``. Whatever else the data set has is passed on.

    Args:
        source: The data set.
        options: For each label map by its name ``folder``, ``classes`` (a list of names, or the
            path of a ``classes.yaml``), ``ignore`` (the id that is unlabelled beside 255) and
            ``weight``, which is the task's.
        root: What relative folders lie in; None for the data set's own root.

    Attributes:
        further_labels: The classes of each label map by its name.

    Raises:
        ConfigError: An option is wrong.
        DataRootError: There is no such folder.
        PairingError: An image has no file of a label map.
    """

    def __init__(
        self, source: SegmentationSource, options: Mapping[str, Any], root: str | None = None
    ) -> None:
        self._root = find_root(source, root, KEY)
        super().__init__(source)
        given = {name: _read_options(name, each) for name, each in options.items()}
        if len(given) > MOST_FURTHER_LABELS:
            raise ConfigError(f"{KEY}: {len(given)} label maps; give {MOST_FURTHER_LABELS} at most")
        self._folders = {name: str(each["folder"]) for name, each in given.items()}
        first = self._first_samples()
        self._decoders = [
            _make_decoder(name, each, self._root, [sample.further_masks[place] for sample in first])
            for place, (name, each) in enumerate(given.items())
        ]
        self.further_labels: dict[str, LabelSpace] = {
            name: decoder.labels for name, decoder in zip(given, self._decoders, strict=True)
        }

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split with the files of their label maps.

        Raises:
            PairingError: An image has no file of a label map.
            DataRootError: There is no such folder.
        """
        samples = self._source.samples(split)
        ids = [sample.id for sample in samples]
        found = [
            _find_files(
                f"{KEY}.{name}",
                find_input_folder(f"{KEY}.{name}.folder", given, self._root, split),
                ids,
            )
            for name, given in self._folders.items()
        ]
        return [
            replace(sample, further_masks=tuple(map(str, files)))
            for sample, files in zip(samples, zip(*found, strict=True), strict=True)
        ]

    def read_further_masks(self, sample: Sample) -> list[LabelMap]:
        """Return the further label maps, each uint8 (H, W), 255 where unlabelled.

        Raises:
            UnreadableImageError: A file cannot be decoded.
            LabelValueError: A value is not a class.
        """
        return [self.read_one(place, path) for place, path in enumerate(sample.further_masks)]

    def read_one(self, place: int, path: str) -> LabelMap:
        """Return the label map of a file, uint8 (H, W), decoded as that of this place."""
        return self._decoders[place].decode(_read_raw(path), path)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's file, of its further label maps, and of the others."""
        image, *others = self._source.sample_bytes(sample)
        return (image, *(Path(path).read_bytes() for path in sample.further_masks), *others)


class ChosenLabelMap(ExtendedSource):
    """A data set whose masks are one of its further label maps.

    Args:
        source: A data set with further label maps.
        name: The name of one.

    Raises:
        ConfigError: There is no such label map.
    """

    def __init__(self, source: FurtherLabelMaps, name: str) -> None:
        known = get_further_labels(source)
        if name not in known:
            raise ConfigError(
                f"label_map={name}: the data have no such label map, only "
                f"{', '.join(known) or 'their own'}; set "
                f"'{KEY}={{{name}: {{folder: FOLDER, classes: [NAME,NAME]}}}}'"
            )
        super().__init__(source)
        self._maps = source
        self._place = list(known).index(name)
        self.labels = known[name]
        self.further_labels: dict[str, LabelSpace] = {}

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, with the files of the chosen label map as masks."""
        return [
            replace(each, mask=each.further_masks[self._place], further_masks=())
            for each in self._source.samples(split)
        ]

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids of the chosen label map, uint8 (H, W)."""
        return self._maps.read_one(self._place, sample.mask)

    def read_further_masks(self, sample: Sample) -> list[LabelMap]:
        """Return none: the label map is the mask."""
        return []


def is_label_map_name(name: str) -> bool:
    """Return whether a name may be that of a label map, and so of a folder."""
    return re.fullmatch(r"[^\W_][\w-]*", name) is not None


def get_further_labels(source: SegmentationSource) -> dict[str, LabelSpace]:
    """Return the classes of the further label maps of a source by their names; none of most."""
    return dict(getattr(source, "further_labels", {}))


def read_further_masks(source: SegmentationSource, sample: Sample) -> list[LabelMap]:
    """Return the further label maps of a sample, each uint8 (H, W); none of most sources."""
    read = getattr(source, "read_further_masks", None)
    found: list[LabelMap] = [] if read is None else read(sample)
    return found


def _read_options(name: str, value: Any) -> dict[str, Any]:
    """Return the options of a label map.

    Raises:
        ConfigError: One is wrong or missing.
    """
    key = f"{KEY}.{name}"
    example = f"'{KEY}={{{name}: {{folder: FOLDER, classes: [NAME,NAME]}}}}'"
    if name == FIRST:
        raise ConfigError(f"{key}: so the masks of the data set are called; choose another name")
    if not is_label_map_name(name):
        raise ConfigError(f"{key}: give a name of letters, digits, _ and -")
    given = value if isinstance(value, Mapping) else {"folder": value}
    if wrong := sorted(set(given) - set(_OPTIONS)):
        raise ConfigError(f"{key}.{wrong[0]}: no such key; there are {', '.join(_OPTIONS)}")
    if not isinstance(given.get("folder"), str):
        raise ConfigError(f"{key} has no folder: set {example}")
    if not given.get("classes"):
        raise ConfigError(f"{key} has no classes: set {example}, or classes: PATH of a yaml")
    ignore, weight = given.get("ignore"), given.get("weight", 1.0)
    if ignore is not None and (type(ignore) is not int or not 0 <= ignore <= 255):
        raise ConfigError(f"{key}.ignore={ignore}: give the id that is unlabelled, 0 to 255")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < 1e9:
        raise ConfigError(f"{key}.weight={weight}: give a number of at least 0")
    return {"weight": weight, **given}


def label_map_weights(options: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the weight of the loss of each further label map by its name."""
    return {name: float(_read_options(name, each)["weight"]) for name, each in
            (options or {}).items()}  # fmt: skip


def _make_decoder(
    name: str, options: Mapping[str, Any], root: Path, masks: Sequence[str]
) -> MaskDecoder:
    classes, key = options["classes"], f"{KEY}.{name}"
    if isinstance(classes, str):
        listed = read_class_file(resolve_path(classes, root))
    else:
        try:
            listed = ClassList(check_class_names(classes))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{key}.classes: {error}") from error
    if options.get("ignore") is not None:
        listed = replace(listed, ignore=options["ignore"])
    pictures = [each for each in masks if Path(each).suffix.lower() != _MATLAB]
    try:
        return decoder_from_class_file(listed, pictures)
    except ConfigError as error:
        raise ConfigError(f"{key}.classes: {error}") from error


def _find_files(key: str, folder: Path, ids: Sequence[str]) -> list[Path]:
    stored = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in folder.rglob("*")
        if path.suffix.lower() == _MATLAB
    }
    if not stored:
        return find_input_files(key, folder, ids)
    if missing := [each for each in ids if each not in stored]:
        raise PairingError(
            f"{key}: {len(missing)} of {len(ids)} images have no file of their name in "
            f"{folder}: {list_some(missing)}; add them, or take the images away"
        )
    return [stored[each] for each in ids]


def _read_raw(path: str) -> Any:
    if Path(path).suffix.lower() != _MATLAB:
        return read_stored_mask(path)
    # Ids below 0 are unlabelled in SIFT Flow's geometric labels.
    ids = read_matlab(path, _MATLAB_KEY).astype(np.int64)
    return np.where((ids < 0) | (ids > 255), 255, ids).astype(np.uint8)
