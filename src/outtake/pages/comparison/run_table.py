"""Runs as rows of values: chosen by notes and settings, for CSV and JSON, and in pairs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from outtake.config.schema import nearest_key
from outtake.core.errors import ConfigError
from outtake.pages.comparison.config_differences import differing_keys, resolve_setting
from outtake.pages.comparison.page_data import known_settings, run_row
from outtake.pages.comparison.run_record import RunRecord

_RESOLVER: Any = yaml.resolver.Resolver()
# Measured by a clock: they differ between two runs that are the same.
_TIMED = ("minutes", "rate", "forward")


@dataclass(frozen=True)
class RunFilter:
    """Which runs are compared: those that meet every condition.

    Attributes:
        tags: Tags that a run must all have.
        group: Its group; None for any.
        settings: Values of settings by key, as they are typed.
        hidden: Whether runs that are marked as hidden are taken too.
    """

    tags: tuple[str, ...] = ()
    group: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    hidden: bool = False

    def accepts(self, run: RunRecord) -> bool:
        """Return whether a run meets the conditions."""
        return (
            (self.hidden or not run.notes.hide)
            and set(self.tags) <= set(run.notes.tags)
            and self.group in (None, run.notes.group)
            and all(_has_value(run, key, value) for key, value in self.settings)
        )

    def check_keys(self, runs: Sequence[RunRecord]) -> None:
        """Refuse a setting that none of some runs has: nothing would be found for another reason.

        Raises:
            ConfigError: There is one.
        """
        known = sorted({key for run in runs for key in run.settings})
        for key, value in self.settings:
            if key not in known:
                near = nearest_key(key, known)
                advice = f"did you mean {near}?" if near else "--json - prints all of them"
                raise ConfigError(f"--where {key}={value}: no run has such a setting; {advice}")


def _has_value(run: RunRecord, key: str, value: str) -> bool:
    if key not in run.settings:
        return False
    found, wanted = _read_scalar(resolve_setting(run.settings, key)), _read_scalar(value)
    # True == 1 in Python, and not in a config.
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


def _read_scalar(value: Any) -> Any:
    """Return what a config means by a text: a number, however it is written, a truth value, ..."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "{")):
        return text.replace(" ", "")  # how a list is shown
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    try:
        read = yaml.constructor.SafeConstructor().construct_object(yaml.ScalarNode(tag, text))
        read = float(read) if isinstance(read, str) else read  # YAML 1.1 takes 1e-3 for a text
    except (ValueError, yaml.YAMLError):
        return text
    return text if read != read else read  # not a number is equal to nothing


def parse_conditions(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the keys and values of ``KEY=VALUE`` conditions.

    Raises:
        ConfigError: A condition has no key or no equals sign.
    """
    for word in words:
        if not word.partition("=")[0] or "=" not in word:
            raise ConfigError(f"--where {word}: must be KEY=VALUE, as in optimizer.lr=0.01")
    return tuple((word.partition("=")[0], word.partition("=")[2]) for word in words)


def run_records(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return each run as plain containers, with all of its settings."""
    records = []
    for run in runs:
        row = run_row(run, sorted(run.settings))
        notes = run.notes.to_dict()
        place = {"name": run.name, "path": str(run.path), "state": run.state}
        records.append({**place, **notes, "data": run.data, **row})
    return records


def to_csv(runs: Sequence[RunRecord]) -> str:
    """Return a table with a column for each score, each class and each setting that differs."""
    settings = differing_keys(known_settings(runs))
    rows = []
    for run in runs:
        row = run_row(run, settings)
        fixed = {"name": run.name, "state": run.state, "tags": " ".join(run.notes.tags)}
        fixed |= {"group": run.notes.group, "note": run.notes.note, "device": row["device"]}
        iou = {f"iou/{name}": value for name, value in row["iou"].items()}
        rows.append({**fixed, **row["values"], **iou, **row["settings"]})
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _to_cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def describe_difference(one: RunRecord, other: RunRecord) -> list[str]:
    """Return in what two runs differ, a line each; what a clock has measured is left out."""
    return list(_iter_differences(one, other))


def _iter_differences(one: RunRecord, other: RunRecord) -> Iterator[str]:
    keys = differing_keys([one.settings, other.settings])
    first, second = run_row(one, keys), run_row(other, keys)
    if one.data != other.data:
        yield "data: the fingerprints in data.json differ"
    for key in keys:
        values = first["settings"][key], second["settings"][key]
        yield f"setting {key}: {_format(values[0])}, {_format(values[1])}"
    for kind, title in (("values", "score"), ("iou", "IoU of")):
        for key in dict.fromkeys([*first[kind], *second[kind]]):
            before, after = first[kind].get(key), second[kind].get(key)
            if before != after and key not in _TIMED:
                yield f"{title} {key}: {_format(before)}, {_format(after)}"


def _format(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_cell(value: Any) -> Any:
    # A spreadsheet takes such text for a formula, and a name of a run is anybody's.
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
