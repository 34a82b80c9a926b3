"""What a removal did, in numbers, beside its output."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from outtake.core.errors import OutputError
from outtake.core.files import write_json
from outtake.core.frames import FilledFrame, FillStatistics, MaskStatistics
from outtake.removal.report_warnings import Column, list_warnings

_SHARES = ("observed", "propagated", "synthesised")
_FILL = (
    *_SHARES,
    "ring_residual",
    "flicker",
    "sample_spread",
    "disputed",
    "rim_step",
    "grain",
    "rim_moves_with_hole",
)
# The columns of masks, and their names in the statistics of a mask.
_MASK = {
    "uncertain_share": "uncertain_share",
    "mask_jump": "jump",
    "shadow_share": "shadow_share",
    "reflection_share": "reflection_share",
}
_COLUMNS = ("time_s", "hole_share", *_FILL, *_MASK)
# Of what masks were made of, the report lists so many classes or values.
_LISTED_CONTENTS = 12


class RemovalReport:
    """Collects the statistics of a removal, frame by frame.

    Each segment of a clip has one; their records are merged in order.

    Args:
        needs_mask: Whether the remover has nothing to do without a mask.
        from_network: Whether the masks were made of a network's labels.
    """

    def __init__(self, *, needs_mask: bool = True, from_network: bool = True) -> None:
        self._needs_mask = needs_mask
        self._from_network = from_network
        self._columns: dict[str, Column] = {name: [] for name in _COLUMNS}
        self._contents: Counter[str] = Counter()

    @classmethod
    def from_segments(cls, segments: Iterable[Mapping[str, Any]], **options: bool) -> Self:
        """Return the report of a whole clip.

        Args:
            segments: :meth:`segment_record` of each part, in order.
            options: The arguments of the constructor.
        """
        report = cls(**options)
        for segment in segments:
            for name, column in report._columns.items():
                column.extend(segment["per_frame"][name])
            report._contents.update(segment["contents"])
        return report

    @property
    def frames(self) -> int:
        """The number of frames added."""
        return len(self._columns["time_s"])

    def add(
        self,
        time_s: float,
        hole_share: float,
        statistics: FillStatistics | None = None,
        mask: MaskStatistics | None = None,
    ) -> None:
        """Add a frame.

        Args:
            time_s: The time at which it is shown, in seconds.
            hole_share: The share of it that is removed, 0 to 1.
            statistics: Where the fill comes from, if the remover knows. Its picture is not kept.
            mask: What the mask looks like, if it was measured.
        """
        row: dict[str, float | None] = {"time_s": time_s, "hole_share": hole_share}
        row |= {name: None if statistics is None else getattr(statistics, name) for name in _FILL}
        row |= {name: None if mask is None else getattr(mask, own) for name, own in _MASK.items()}
        for name, value in row.items():
            self._columns[name].append(None if value is None else _shorten(name, value))
        if mask is not None:
            self._contents.update(mask.contents)

    def add_filled(self, filled: FilledFrame) -> None:
        """Add a frame as a remover leaves it."""
        time_s = float(filled.frame.pts * filled.frame.time_base)
        source = filled.source
        hole_share = np.count_nonzero(source.mask) / source.mask.size
        self.add(time_s, hole_share, filled.statistics, source.statistics)

    def segment_record(self) -> dict[str, Any]:
        """Return the numbers of every frame, for a file beside the segment."""
        columns = {name: list(column) for name, column in self._columns.items()}
        return {"per_frame": columns, "contents": dict(self._contents)}

    def warnings(self) -> list[str]:
        """Return what a user should know, each in one line."""
        return list_warnings(
            self._columns,
            self._means(_FILL).get("synthesised", 0.0),
            self._content_shares(),
            needs_mask=self._needs_mask,
            from_network=self._from_network,
        )

    def record(self, **entries: Any) -> dict[str, Any]:
        """Return the report as plain containers.

        Shares of the fill are of all that was removed: a frame counts by the size of its hole.

        Args:
            entries: Further entries, which come first.
        """
        holes = self._hole_shares()
        fill, mask = self._means(_FILL), self._means(_MASK)
        contents = self._content_shares()
        if contents:
            mask["contents"] = dict(list(contents.items())[:_LISTED_CONTENTS])
        known = [
            name for name in (*_FILL, *_MASK) if any(v is not None for v in self._columns[name])
        ]
        return {
            **entries,
            "frames": self.frames,
            "hole_share": {
                "mean": round_figure(sum(holes) / max(self.frames, 1)),
                "max": max(holes, default=0.0),
                "frames_without": holes.count(0.0),
            },
            **({"mask": mask} if mask else {}),
            **({"fill": fill} if fill else {}),
            "warnings": self.warnings(),
            "per_frame": {name: self._columns[name] for name in ("time_s", "hole_share", *known)},
        }

    def _hole_shares(self) -> list[float]:
        return [value or 0.0 for value in self._columns["hole_share"]]

    def _content_shares(self) -> dict[str, float]:
        """Return the share of the pictures of what masks were made of, the largest first."""
        total = max(self._contents.total(), 1)
        return {name: round_figure(count / total) for name, count in self._contents.most_common()}

    def _means(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the mean of columns over what was removed, where any frame has a value."""
        means = {name: self._mean_over_holes(self._columns[name]) for name in names}
        return {name: mean for name, mean in means.items() if mean is not None}

    def _mean_over_holes(self, column: Column) -> float | None:
        pairs = [
            (value, hole)
            for value, hole in zip(column, self._hole_shares(), strict=True)
            if value is not None and hole > 0
        ]
        if not pairs:
            return None
        weighted = sum(value * hole for value, hole in pairs)
        return round_figure(weighted / sum(hole for _, hole in pairs))


def round_figure(value: float) -> float:
    """Return a figure with six significant digits: one that is not 0 stays so, however small."""
    return float(f"{value:.6g}")


def _shorten(column: str, value: float) -> float:
    return round(float(value), 6) if column == "time_s" else round_figure(value)


def report_path(output: Path) -> Path:
    """Return where the report of an output lies: ``clip.mp4`` -> ``clip.report.json``."""
    return output.with_name(output.stem + ".report.json")


def read_report(output: Path) -> dict[str, Any]:
    """Return the report of an output; empty if there is none, or if it is another output's."""
    found = _read_json(report_path(output))
    return found if _output_name(found) in (None, output.name) else {}


def check_report(output: Path, *, overwrite: bool = False) -> None:
    """Refuse, before any work, to replace a file that is not the report of this output.

    ``q.mp4``, ``q.mkv`` and a folder ``q`` have one name for their reports.

    Raises:
        OutputError: In the report's place is a folder, or, without ``overwrite``, a file that is
            not this output's report.
    """
    path = report_path(output)
    if path.is_dir():
        raise OutputError(f"{path} is where the report of {output} goes, but is a folder")
    if overwrite or not path.exists():
        return
    name = _output_name(_read_json(path))
    if name != output.name:
        what = "is no report" if name is None else f"is the report of {name}"
        raise OutputError(
            f"{path} is where the report of {output} goes, but {what}; name another output, or set "
            "overwrite=true to replace it"
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _output_name(report: Mapping[str, Any]) -> str | None:
    # The name alone: the report lies beside its output, in a folder that may have moved.
    output = report.get("output")
    return Path(output).name if isinstance(output, str) else None


def write_report(output: Path, record: Mapping[str, Any]) -> Path:
    """Write a report beside its output, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    path = report_path(output)
    write_json(path, record)
    return path
