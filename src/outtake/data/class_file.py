"""Read ``classes.yaml``, which declares the classes of a user's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from outtake.core.errors import ConfigError
from outtake.core.labels import Colour, LabelSpace
from outtake.data.infer_classes import CORRECTION_ADVICE, UNLABELLED_VALUE, WHITE_IS_255
from outtake.data.mask_encoding import MaskDecoder, format_value, rgb_to_int
from outtake.data.mask_palettes import find_palettes_that_differ
from outtake.data.read_mask_values import (
    BINARY_VALUES,
    MaskValues,
    find_areas,
    read_or_skip,
    read_until,
    sum_numbers,
)
from outtake.data.soft_edges import SoftEdges
from outtake.data.source import DataChoice, warn_of_data

KEYS = ("names", "colours", "ignore")
# What yaml may make of a name that is not quoted.
_YAML_TYPE_NAMES = {
    bool: "truth value",
    type(None): "missing value",
    float: "fraction",
    date: "date",
}
_PROBED_PALETTES = 8
_LARGEST_ID = 65535  # of a mask of 16 bits
_RESOLVED_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:merge")


class _RawStringLoader(yaml.SafeLoader):
    """Loads every word as it stands in the file; whole numbers are numbers."""


_RawStringLoader.yaml_implicit_resolvers = {
    first: [each for each in known if each[0] in _RESOLVED_TAGS]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class ClassList:
    """The contents of a classes file.

    Attributes:
        names: The class names in order.
        ids: The number that stands for each class in masks; None where the file leaves it
            open: then the ids are 0, 1, 2 ... without the ignored one, or 0 and 255.
        colours: RGB triples, or None.
        ignore: The number or the colour that is unlabelled, or None.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] | None = None
    colours: tuple[Colour, ...] | None = None
    ignore: int | Colour | None = None


def read_class_file(path: Path) -> ClassList:
    """Read a classes file.

    Raises:
        ConfigError: The file is missing, is not yaml, or contradicts itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"cannot read the classes file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"the classes file {path} is not yaml: {error}") from error
    if not isinstance(content, Mapping) or not content.get("names"):
        raise ConfigError(f"the classes file {path} needs `names: [first, second, ...]`")
    content = {"colours" if key == "colors" else key: value for key, value in content.items()}
    unknown = sorted(str(key) for key in content.keys() - set(KEYS))
    if unknown:
        raise ConfigError(
            f"unknown key in {path}: {', '.join(unknown)}; the keys are: {', '.join(KEYS)}"
        )
    try:
        return _parse_class_list(content, yaml.load(text, Loader=_RawStringLoader)["names"])
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the classes file {path} is wrong: {error}") from error


def check_class_names(
    names: Sequence[Any], raw_names: Sequence[Any] | None = None
) -> tuple[str, ...]:
    """Return names as text. Whole numbers may be names; anything else that is not text is refused.

    Args:
        names: The names as yaml reads them: ``no`` is False, ``null`` is None, ``1.10`` is 1.1.
        raw_names: The names as they stand in the file, for the message; None if unknown.

    Raises:
        ValueError: Yaml reads a name as something other than text.
    """
    for place, name in enumerate(names):
        if type(name) not in (str, int):
            word = json.dumps(name, default=str) if raw_names is None else raw_names[place]
            raise ValueError(
                f"the class name {word} ({place + 1} of {len(names)}) is read as a "
                f"{_YAML_TYPE_NAMES.get(type(name), type(name).__name__)}, not as text; "
                f"put it in quotes, as {json.dumps(str(word))}"
            )
    return tuple(str(name) for name in names)


def _parse_class_list(content: Mapping[str, Any], raw_names: Any) -> ClassList:
    names, ids, colours = content["names"], None, content.get("colours")
    if isinstance(names, Mapping):
        if not all(type(number) is int and number >= 0 for number in names):
            raise ValueError("where `names` is a map, its keys are the ids in the masks")
        ids = tuple(sorted(names))
        if isinstance(colours, Sequence) and len(colours) == len(ids):
            # They stand in the order of the file, as the names do.
            of_id = dict(zip(names, colours, strict=True))
            colours = [of_id[number] for number in ids]
        names, raw_names = ([each[number] for number in ids] for each in (names, raw_names))
    if not isinstance(names, Sequence) or isinstance(names, str):
        raise ValueError("`names` is a list of names, or a map from id to name")
    triples = None if colours is None else tuple(_parse_colour(colour) for colour in colours)
    if triples is not None and len(triples) != len(names):
        raise ValueError(f"{len(names)} names and {len(triples)} colours")
    if triples is not None and len(set(triples)) != len(triples):
        raise ValueError("two classes have one colour")
    ignore = content.get("ignore")
    if ignore is not None and type(ignore) is not int:
        ignore = _parse_colour(ignore)
    if isinstance(ignore, int) and not 0 <= ignore <= _LARGEST_ID:
        raise ValueError(f"`ignore` is a number from 0 to {_LARGEST_ID} or a colour, not {ignore}")
    # A class of that number or colour would be trained on in spite of `ignore`.
    taken: dict[int | Colour, Any] = dict(zip(ids or (), names, strict=False))
    taken.update(zip(triples or (), names, strict=False))
    if ignore in taken:
        stored = list(ignore) if isinstance(ignore, tuple) else ignore
        raise ValueError(
            f"`ignore: {stored}` is also the class {taken[ignore]}; take the class out, or ignore "
            "another"
        )
    return ClassList(check_class_names(names, raw_names), ids, triples, ignore)


def _parse_colour(value: Any) -> Colour:
    if (
        not isinstance(value, Sequence)
        or len(value) != 3
        or not all(type(part) is int and 0 <= part <= 255 for part in value)
    ):
        raise ValueError(f"a colour is [red, green, blue], each 0 to 255, not {value!r}")
    return int(value[0]), int(value[1]), int(value[2])


def decoder_from_class_file(
    classes: ClassList, masks: Sequence[str], soft_edges: SoftEdges = "error"
) -> MaskDecoder:
    """Return the decoder of masks whose classes a file declares.

    Args:
        classes: The contents of the file.
        masks: The training masks. They are read where two classes may be stored as 0 and 255, and
            their palettes are compared.
        soft_edges: What becomes of values that are no class, see :class:`MaskDecoder`.
    """
    labels = LabelSpace.from_names(classes.names, classes.colours)
    ignored_id = classes.ignore if isinstance(classes.ignore, int) else None
    stored = classes.ids or _infer_stored_ids(classes, ignored_id, masks)
    ids = {UNLABELLED_VALUE: labels.ignore_index}
    if ignored_id is not None:
        ids[ignored_id] = labels.ignore_index
    ids.update({number: label for label, number in enumerate(stored)})
    colours: dict[int, int] = {}
    if classes.colours is not None:
        if isinstance(classes.ignore, tuple):
            colours[rgb_to_int(classes.ignore)] = labels.ignore_index
        colours.update({rgb_to_int(rgb): label for label, rgb in enumerate(classes.colours)})
    differ = find_palettes_that_differ(masks)
    if differ is not None:
        counts = "their colours are the classes"
        if not colours:
            counts = "indices are read as ids; list `colours` in classes.yaml if those are classes"
        warn_of_data(f"the palettes of masks differ: {differ}; {counts}")
    elif colours:
        _say_that_colours_count(masks, ids, colours, labels)
    return MaskDecoder(
        labels, ids, colours, CORRECTION_ADVICE, soft_edges, palettes_differ=differ is not None
    )


def _say_that_colours_count(
    masks: Sequence[str], ids: Mapping[int, int], colours: Mapping[int, int], labels: LabelSpace
) -> None:
    """Say it once where an index is the number of another class than its colour in the palette."""
    for path in masks[:: max(1, len(masks) // _PROBED_PALETTES)][:_PROBED_PALETTES]:
        found = read_or_skip(path)
        palette = {} if found is None else found.palette
        shown = {
            index: code
            for index, code in palette.items()
            if code in colours or ids.get(index) != labels.ignore_index
        }
        if not set(shown.values()) <= colours.keys():
            continue
        for index, code in shown.items():
            label = colours[code]
            if ids.get(index, label) != label and label < len(labels.names):
                warn_of_data(
                    f"colours of palettes count, not indices, as they differ: {index} in {path} is "
                    f"{format_value(code, True)}, which is {labels.names[label]!r}",
                    DataChoice,
                )
                return


def _infer_stored_ids(
    classes: ClassList, ignored: int | None, masks: Sequence[str]
) -> tuple[int, ...]:
    count = len(classes.names)
    if count == 2 and ignored not in BINARY_VALUES and _look_binary(masks, ignored):
        warn_of_data(
            f"masks hold 0 and 255 and no 1: 255 is {classes.names[1]!r}; where it is unlabelled, "
            "write the ids in classes.yaml, as `names: {0: NAME, 1: NAME}`",
            DataChoice,
        )
        return tuple(sorted(BINARY_VALUES))
    return tuple(number for number in range(count + 1) if number != ignored)[:count]


def _look_binary(masks: Sequence[str], ignored: int | None) -> bool:
    """Return whether masks hold 0 and 255 alone; all are read, unless some hold ids."""
    allowed = BINARY_VALUES | ({ignored} if ignored is not None else set())

    def sum_up(found: Sequence[MaskValues]) -> tuple[set[int], bool]:
        counts, converted = sum_numbers([each for each in found if not each.is_coloured])
        return set(find_areas(counts)), converted

    def hold_ids(found: Sequence[MaskValues]) -> bool:
        return all(each.is_coloured for each in found) or not sum_up(found)[0] <= allowed

    seen, converted = sum_up(read_until(masks, hold_ids))
    binary = seen <= allowed and 255 in seen
    if binary and converted:
        warn_of_data(WHITE_IS_255)
    return binary
