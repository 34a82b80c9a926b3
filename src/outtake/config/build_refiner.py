"""What improves a network's labels: as the command line says, or as was exported with it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from outtake.config.instantiate import instantiate
from outtake.config.load_ensemble import Trained, members_of
from outtake.core.errors import ConfigError
from outtake.refine.refiner import Refiner

log = logging.getLogger(__name__)

_NONE = "outtake.refine.refiner.Unrefined"


def build_refiner(node: Mapping[str, Any] | None, trained: Trained) -> Refiner | None:
    """Build ``refine``; None where labels stay as the network gives them.

    Args:
        node: The config of a refiner; empty for what was exported with the checkpoint.
        trained: The checkpoint, or several.

    Raises:
        ConfigError: It is no refiner, or cannot work with an option.
    """
    return make_refiner(choose_refine(node, trained))


def choose_refine(node: Mapping[str, Any] | None, trained: Trained) -> Mapping[str, Any] | None:
    """Return the config of the refiner to use; None for none."""
    chosen = dict(node or _find_exported(trained) or {})
    return None if chosen.get("_target_") in (None, _NONE) else chosen


def make_refiner(chosen: Mapping[str, Any] | None) -> Refiner | None:
    """Build what :func:`choose_refine` has chosen.

    Raises:
        ConfigError: It is no refiner, or cannot work with an option.
    """
    if chosen is None:
        return None
    refiner = instantiate(chosen)
    if not isinstance(refiner, Refiner):
        raise ConfigError(
            f"refine._target_={chosen['_target_']}: is no refiner; use refine=smooth or another "
            "option of this group"
        )
    return refiner


def _find_exported(trained: Trained) -> Mapping[str, Any] | None:
    settings = [member.refine for member in members_of(trained)]
    if len({json.dumps(each, sort_keys=True) for each in settings}) > 1:
        log.warning(
            "refine=auto: the members of this ensemble were exported with other settings, so none "
            "is used; choose one, as in refine=smooth"
        )
        return None
    if settings[0]:
        options = ", ".join(f"{key}={value}" for key, value in settings[0].items())
        log.info("refine=auto: as exported with the checkpoint (%s)", options)
    return settings[0]
