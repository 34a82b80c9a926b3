"""How a training ended, as it stands in its run folder, and the lock of one that has not ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

# Held by the process that trains in the folder.
LOCK_FILE = ".lock"
# Left by a training that ended without ``summary.json``.
ENDING_FILE = "ended.json"

EndingState: TypeAlias = Literal["stopped", "failed", "diverged"]


@dataclass(frozen=True)
class RunEnding:
    """How a training ended before its end.

    Attributes:
        state: Whether it was stopped from outside, failed, or its loss was no longer finite.
        message: One line on why, or empty.
    """

    state: EndingState
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {"state": self.state, "message": self.message}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RunEnding | None:
        """Return the ending of a mapping, which is not trusted; None if it says none."""
        states: tuple[EndingState, ...] = get_args(EndingState)
        for state in states:
            if plain.get("state") == state:
                return cls(state, str(plain.get("message") or ""))
        return None
