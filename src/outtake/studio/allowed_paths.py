"""Paths that a page may name: those below a few folders, wherever links lead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.core.printable_text import to_printable

_MAX_PATH_CHARS = 4096


def resolve_below(roots: Sequence[Path], given: object) -> Path:
    """Return a path without links and without steps up, if it lies below one of some folders.

    Args:
        roots: The folders.
        given: A path of unknown origin.

    Raises:
        ConfigError: It is none, does not exist, or leads elsewhere.
    """
    if not isinstance(given, str) or not given or len(given) > _MAX_PATH_CHARS:
        raise ConfigError("path: must be a path")
    outside = ConfigError(
        f"{to_printable(given)[:200]}: lies in none of the folders that may be opened here "
        "(roots in conf/studio.yaml)"
    )
    try:
        path = Path(given).resolve(strict=False)
        if not any(path.is_relative_to(root.resolve()) for root in roots):
            raise outside
        # What is outside is not even said to exist.
        path = path.resolve(strict=True)
    except (ValueError, RuntimeError) as error:
        raise ConfigError("path: must be a path") from error
    except OSError as error:
        raise ConfigError(
            f"{to_printable(given)[:200]}: {error.strerror or 'cannot be read'}"
        ) from error
    if not any(path.is_relative_to(root.resolve()) for root in roots):
        raise outside
    return path
