"""What people note on a run: tags, a remark, a group, and whether lists leave it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outtake.core.errors import ConfigError

NOTES_FILE = "notes.json"
NOTE_KEYS = ("tags", "group", "note", "hide")
_MAX_TAGS, _MAX_CHARS = 50, 2_000


@dataclass(frozen=True)
class RunNotes:
    """The notes of a run; nothing that a run does depends on them.

    Attributes:
        tags: Words by which runs are found, each once.
        group: The name of the group that the run belongs to, or empty.
        note: A remark, or empty.
        hide: Whether lists and comparisons leave the run out.
    """

    tags: tuple[str, ...] = ()
    group: str = ""
    note: str = ""
    hide: bool = False

    def check_size(self) -> None:
        """Refuse more than a reader takes, and a tag of which it sees nothing.

        Raises:
            ConfigError: There are too many tags, one of the texts is too long, or a tag is empty.
        """
        if any(not tag.strip() for tag in self.tags):
            raise ConfigError("tags: one of them is empty; give each a word, as in good")
        if len(self.tags) > _MAX_TAGS:
            raise ConfigError(f"tags: {len(self.tags)} of them; at most {_MAX_TAGS} are kept")
        tags = (("tag", tag) for tag in self.tags)
        for key, text in (("group", self.group), ("note", self.note), *tags):
            if len(text) > _MAX_CHARS:
                raise ConfigError(f"{key}: {len(text)} characters; at most {_MAX_CHARS} are kept")

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {"tags": list(self.tags), "group": self.group, "note": self.note, "hide": self.hide}

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> RunNotes:
        """Return the notes that a user asks for, by the names of the attributes.

        Raises:
            ConfigError: There are too many tags, or one of the texts is too long.
        """
        notes = cls(
            tuple(dict.fromkeys(map(str, values.get("tags") or ()))),
            str(values.get("group") or ""),
            str(values.get("note") or ""),
            values.get("hide") is True,
        )
        notes.check_size()
        return notes

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RunNotes:
        """Return the notes of a mapping, which is not trusted: what is none of them is dropped."""
        tags = plain.get("tags")
        words = tags if isinstance(tags, Sequence) and not isinstance(tags, str) else ()
        return cls(
            tuple(dict.fromkeys(tag for tag in map(_shorten, words[:_MAX_TAGS]) if tag.strip())),
            _shorten(plain.get("group")),
            _shorten(plain.get("note")),
            plain.get("hide") is True,
        )


def _shorten(value: object) -> str:
    return "" if value is None else str(value)[:_MAX_CHARS]
