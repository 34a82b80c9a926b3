"""What a removal did, in numbers, beside its output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from outtake.files import write_json
from outtake.removal.stages import FrameFacts, MaskedFrame

T = TypeVar("T")
_FILL = ("seen", "carried", "invented", "ring_residual")


class RemovalReport:
    """Watches the stages of a removal from outside: what passes between them and how long it takes.

    Attributes:
        stage_s: seconds spent in each stage, without the stages before it.
    """

    def __init__(self) -> None:
        self.stage_s: dict[str, float] = {}
        self._waited_s = 0.0
        self._time_s: list[float] = []
        self._hole_share: list[float] = []
        self._start = perf_counter()

    @property
    def frames(self) -> int:
        """How many masked frames have passed."""
        return len(self._hole_share)

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Pass items on, and count how long ``stage`` took to make them.

        Stages pull from each other, so the time in which one waits for those before it, which
        are timed too, is theirs.
        """
        self.stage_s[stage] = 0.0
        iterator = iter(items)
        while True:
            outer_s, self._waited_s = self._waited_s, 0.0
            begin = perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                took_s = perf_counter() - begin
                self.stage_s[stage] += took_s - self._waited_s
                self._waited_s = outer_s + took_s
            yield item

    def masks(self, clip: Iterable[MaskedFrame]) -> Iterator[MaskedFrame]:
        """Pass masked frames on, and note each frame's time and the share of it that is hole."""
        for item in clip:
            self._time_s.append(round(float(item.frame.pts * item.frame.time_base), 6))
            self._hole_share.append(round(float(item.mask.mean()), 6))
            yield item

    def record(self, fills: Sequence[FrameFacts] = (), **facts: Any) -> dict[str, Any]:
        """Return the report as plain containers, led by what else there is to say.

        Args:
            fills: where the fill of each frame comes from, if the remover knows.
            facts: what else there is to say.
        """
        frames = self.frames
        seconds = perf_counter() - self._start
        accounted_s = sum(self.stage_s.values())
        return {
            **facts,
            "frames": frames,
            "seconds": round(seconds, 3),
            "frames_per_second": round(frames / seconds, 3),
            "stage_s": {name: round(value, 3) for name, value in self.stage_s.items()}
            | {"encode": round(seconds - accounted_s, 3)},
            "hole_share": {
                "mean": round(sum(self._hole_share) / max(frames, 1), 6),
                "max": max(self._hole_share, default=0.0),
                "frames_without": self._hole_share.count(0.0),
            },
            **_fill_record(fills),
            "per_frame": {
                "time_s": self._time_s,
                "hole_share": self._hole_share,
                **{key: [getattr(fill, key) for fill in fills] for key in _FILL if fills},
            },
        }


def _fill_record(fills: Sequence[FrameFacts]) -> dict[str, Any]:
    holes = [fill for fill in fills if fill.seen + fill.carried + fill.invented > 0]
    if not holes:
        return {}
    return {
        "fill": {
            key: round(sum(float(getattr(fill, key)) for fill in holes) / len(holes), 6)
            for key in _FILL[:3]
        }
    }


def report_path(output: Path) -> Path:
    """Return where the report of an output lies: ``clip.mp4`` -> ``clip.report.json``."""
    return output.with_name(output.stem + ".report.json")


def write_report(output: Path, record: Mapping[str, Any]) -> Path:
    """Write a report beside its output, whole or not at all.

    Raises:
        OutputError: it can not be written.
    """
    path = report_path(output)
    write_json(path, record)
    return path
