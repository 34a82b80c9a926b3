"""How masks of a data set are read: what the user says, and what the user is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number
from outtake.data.source import warn_of_data
from outtake.masking.build_mask_source import FoundMasks
from outtake.masking.mask_values import MaskValueOptions

_OPTIONS = ("channel", "invert", "threshold", "ids")


def read_mask_options(given: Mapping[str, Any] | None) -> MaskValueOptions:
    """Return what ``data.source.mask_options`` says about the values of masks.

    Raises:
        ConfigError: A key or a value is wrong.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"data.source.mask_options={given}: give options, as in {{ids:[1,3]}}")
    options = dict(given or {})
    unknown = [key for key in options if key not in _OPTIONS]
    if unknown:
        raise ConfigError(
            f"data.source.mask_options.{unknown[0]}: unknown; the options are: "
            f"{', '.join(_OPTIONS)}"
        )
    if options.get("channel", "auto") not in ("auto", "luma", "alpha", "red"):
        raise ConfigError(
            f"data.source.mask_options.channel={options['channel']}: must be auto, luma, alpha, red"
        )
    if not isinstance(options.get("invert", False), bool):
        raise ConfigError(f"data.source.mask_options.invert={options['invert']}: true or false")
    ids = options.get("ids")
    if ids is not None and not isinstance(ids, list | tuple):
        raise ConfigError(f"data.source.mask_options.ids={ids}: give a list, as in [1,3]")
    threshold = options.get("threshold")
    check_number("data.source.mask_options.threshold", threshold, 0, 1, optional=True)
    return MaskValueOptions(**options)


def say_how_masks_are_read(found: FoundMasks, name: str, *, by_classes: bool) -> None:
    """Give the lines about masks; those about what is removed only where that is foreground."""
    lines = found.notes[1:] if by_classes else (*found.notes, *found.warnings)
    for line in lines:
        # A frame without a mask is no frame without an object: nobody has looked at it.
        text = line.replace("and nothing is removed there", "and are left out")
        if not by_classes and line == found.notes[0]:
            text += "; what is removed there is foreground here, and data.source.mask_options.KEY "
            text += "is masks.KEY"
        warn_of_data(f"{name}: {text}")
