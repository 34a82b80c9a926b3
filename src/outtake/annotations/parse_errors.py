"""Turn whatever a damaged file of annotations leads to into one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outtake.core.errors import OuttakeError

# What the contents of a file can lead to that is not as its format says.
_DAMAGE = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)


@contextmanager
def name_parse_errors(
    where: str | Path, error_type: type[OuttakeError], advice: str
) -> Iterator[None]:
    """Name the file of what goes wrong while its contents are read.

    Args:
        where: The file, and perhaps the part of it.
        error_type: The error that is raised.
        advice: What to do about it.
    """
    try:
        yield
    except RecursionError as error:
        raise error_type(f"cannot read {where}: it is nested too deep; {advice}") from error
    except OSError as error:
        raise error_type(f"cannot read {where}: {error.strerror or error}; {advice}") from error
    except _DAMAGE as error:
        raise error_type(f"cannot read {where}: {_describe(error)}; {advice}") from error


@contextmanager
def name_part(part: str) -> Iterator[None]:
    """Name the part of a file, as one object of many, of what goes wrong while it is read.

    Raises:
        ValueError: It is damaged; the message begins with the part.
    """
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"{part}: {_describe(error)}") from error


def _describe(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
