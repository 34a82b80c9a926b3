"""Pictures that lie over the frames of a project: where, how large, how opaque, in which order.

``PROJECT/layers.json`` holds what lies there now, the lowest first, and the lists before and after
it, so that undo and redo go on when the project is opened again::

    {"format": 1, "revision": 7,
     "layers": [{"id": 1, "picture": "1f0c9a5be2d47380", "name": "cut-out 17",
                 "x": 160.0, "y": 90.5, "scale_x": 100, "scale_y": 100, "angle": 0,
                 "opacity": 100, "group": 0, "shown": true}],
     "before": [[]], "after": []}

``x`` and ``y`` are the middle of the picture in pixels of the frame, scales and opacity percent,
the angle degrees clockwise. Layers of one ``group`` other than 0 are selected together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outtake.core.errors import ConfigError, DataRootError
from outtake.core.files import replace_text
from outtake.core.validate import is_number
from outtake.studio.frame_labels import RevisionError
from outtake.studio.layer_pictures import LayerPictures

FORMAT = 1
FILE = "layers.json"
MAX_LAYERS = 100
MAX_STEPS = 200
_MAX_NAME_CHARS = 80
_MAX_WHOLE = 1_000_000
_MAX_FILE_BYTES = 64 << 20
_RANGES: dict[str, tuple[float, float]] = {
    "x": (-100_000, 100_000),
    "y": (-100_000, 100_000),
    "scale_x": (1, 2000),
    "scale_y": (1, 2000),
    "angle": (-360, 360),
    "opacity": (0, 100),
}
_KEYS = {"id", "picture", "name", "group", "shown", *_RANGES}
Layer = dict[str, Any]


class Layers:
    """The layers of a project, with all that was done to them.

    Args:
        folder: The project.

    Attributes:
        pictures: What the layers show.
        revision: How often they were changed.

    Raises:
        DataRootError: The file, or a picture that it names, is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.pictures = LayerPictures(folder)
        self.revision = 0
        self._now: list[Layer] = []
        self._before: list[list[Layer]] = []
        self._after: list[list[Layer]] = []
        if self._path.exists():
            self._read()
        self.pictures.keep_only(self._list_pictures())

    @property
    def layers(self) -> list[Layer]:
        """What lies over the frames, the lowest first; not to be changed."""
        return self._now

    def describe(self) -> dict[str, Any]:
        """Return what the page needs, as plain containers."""
        sizes = {digest: self.pictures.size(digest) for digest in self._list_pictures()}
        return {
            "revision": self.revision,
            "layers": self._now,
            "can_undo": len(self._before),
            "can_redo": len(self._after),
            "pictures": {
                digest: {"width": width, "height": height}
                for digest, (height, width) in sizes.items()
            },
        }

    def replace(self, revision: object, layers: object) -> None:
        """Let other layers lie there; this can be undone.

        Args:
            revision: The revision that whoever asks knows of.
            layers: A list of unknown origin.

        Raises:
            RevisionError: There is another one meanwhile.
            ConfigError: It is no list of layers.
            OutputError: It cannot be written; nothing has changed then.
        """
        self._check_revision(revision)
        wanted = check_layers(layers, self.pictures)
        if wanted != self._now:
            self._change(wanted, [*self._before, self._now][-MAX_STEPS:], [])

    def undo(self, revision: object) -> None:
        """Go one step back; see :meth:`replace` for the errors."""
        self._check_revision(revision)
        if not self._before:
            raise ConfigError("undo: there is nothing to undo")
        self._change(self._before[-1], self._before[:-1], [*self._after, self._now])

    def redo(self, revision: object) -> None:
        """Go one step forward again; see :meth:`replace` for the errors."""
        self._check_revision(revision)
        if not self._after:
            raise ConfigError("redo: there is nothing to redo")
        self._change(self._after[-1], [*self._before, self._now], self._after[:-1])

    def _check_revision(self, revision: object) -> None:
        if type(revision) is not int or revision < 0:
            raise ConfigError("revision: must be a whole number")
        if revision != self.revision:
            raise RevisionError("the layers have changed elsewhere")

    def _change(
        self, now: list[Layer], before: list[list[Layer]], after: list[list[Layer]]
    ) -> None:
        record = {
            "format": FORMAT,
            "revision": self.revision + 1,
            "layers": now,
            "before": before,
            "after": after,
        }
        replace_text(self._path, json.dumps(record) + "\n")
        self._now, self._before, self._after = now, before, after
        self.revision += 1

    def _read(self) -> None:
        try:
            if self._path.stat().st_size > _MAX_FILE_BYTES:
                raise ValueError(f"more than {_MAX_FILE_BYTES >> 20} MiB")
            record = json.loads(self._path.read_text(encoding="utf-8"))
            if record["format"] != FORMAT:
                raise ValueError(f"format {record['format']}, and this reads {FORMAT}")
            self.revision = _whole("revision", record["revision"], 2**50)
            self._now = check_layers(record["layers"], self.pictures)
            self._before = self._read_steps(record["before"])
            self._after = self._read_steps(record["after"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
            said = f"{error} is missing" if isinstance(error, KeyError) else error
            raise DataRootError(
                f"{self._path}: is damaged ({str(said)[:120]}); move it away to begin without "
                "layers"
            ) from error

    def _read_steps(self, steps: object) -> list[list[Layer]]:
        if not isinstance(steps, list) or len(steps) > MAX_STEPS:
            raise ConfigError(f"before and after: must be lists of up to {MAX_STEPS} steps")
        return [check_layers(step, self.pictures) for step in steps]

    def _list_pictures(self) -> set[str]:
        states = [self._now, *self._before, *self._after]
        return {layer["picture"] for state in states for layer in state}


def check_layers(given: object, pictures: LayerPictures) -> list[Layer]:
    """Return layers of unknown origin, each with the keys that it needs and no others.

    Raises:
        ConfigError: It is no list of layers, there are too many, or two have one id.
        DataRootError: The picture of one is missing.
    """
    if not isinstance(given, list) or len(given) > MAX_LAYERS:
        raise ConfigError(f"layers: must be a list of up to {MAX_LAYERS}")
    layers = [_check_layer(each) for each in given]
    if len({layer["id"] for layer in layers}) < len(layers):
        raise ConfigError("layers: ids must differ")
    for digest in {layer["picture"] for layer in layers}:
        pictures.size(digest)
    return layers


def _check_layer(given: object) -> Layer:
    if not isinstance(given, Mapping) or set(given) != _KEYS:
        raise ConfigError(f"layers: each needs exactly {', '.join(sorted(_KEYS))}")
    layer = dict(given)
    _whole("id", layer["id"], _MAX_WHOLE)
    _whole("group", layer["group"], _MAX_WHOLE)
    if not isinstance(layer["picture"], str):
        raise ConfigError("picture: must be one that was added")
    name = layer["name"]
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _MAX_NAME_CHARS:
        raise ConfigError(f"name: must be 1 to {_MAX_NAME_CHARS} printable characters")
    if type(layer["shown"]) is not bool:
        raise ConfigError("shown: must be true or false")
    for key, (least, most) in _RANGES.items():
        if not is_number(layer[key]) or not least <= layer[key] <= most:
            raise ConfigError(f"{key}: must be a number from {least} to {most}")
    return layer


def _whole(key: str, value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ConfigError(f"{key}: must be a whole number from 0 to {most}")
    return value
