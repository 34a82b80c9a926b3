"""What removals have left in a project: the clean clip and the preview, frame by frame."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.removal.report import report_path
from outtake.removal.report_warnings import list_doubtful_frames
from outtake.studio.frame_reader import FrameReader
from outtake.studio.project import Project
from outtake.studio.removal_commands import RESULT
from outtake.video.read.inputs import expand_inputs

FILES = {"clean": RESULT, "preview": "results/clean.preview.mp4"}
_FILL = ("observed", "propagated", "synthesised")


class RemovalResults:
    """The results of a project; a file that was made anew is opened anew.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._open: dict[str, tuple[tuple[int, int], FrameReader]] = {}

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for _, reader in self._open.values():
                reader.close()
            self._open.clear()

    def read(self, name: str, number: int) -> Frame:
        """Return a frame of a result, uint8 (H, W, 3) RGB.

        Args:
            name: A name of ``FILES``.
            number: The frame of that file, from 0.

        Raises:
            ConfigError: There is no such result.
            VideoError: There is no such frame, or it cannot be read.
        """
        return self._reader(name).read(number)

    def describe(self) -> dict[str, Any]:
        """Return what the reports say of the results that there are, by name."""
        return {name: self._describe(self._path(name)) for name in FILES if self._exists(name)}

    def _path(self, name: str) -> Path:
        return self._project.folder / FILES[name]

    def _exists(self, name: str) -> bool:
        return self._path(name).is_file()

    def _reader(self, name: str) -> FrameReader:
        if name not in FILES or not self._exists(name):
            raise ConfigError(f"result: there is none; make one of {', '.join(FILES)} first")
        path = self._path(name)
        found = path.stat()
        stamp = found.st_mtime_ns, found.st_size
        with self._lock:
            known = self._open.get(name)
            if known is None or known[0] != stamp:
                if known is not None:
                    known[1].close()
                known = self._open[name] = stamp, FrameReader(expand_inputs(path)[0])
            return known[1]

    def _describe(self, path: Path) -> dict[str, Any]:
        report = _read_report(path)
        columns = report.get("per_frame")
        fill = report.get("fill")
        holes = report.get("hole_share")
        return {
            "made": path.stat().st_mtime_ns,
            "frames": report.get("frames"),
            "first_frame": report.get("first_frame", 0),
            "hole_share": holes.get("mean") if isinstance(holes, Mapping) else None,
            "fill": {key: fill[key] for key in _FILL if key in fill}
            if isinstance(fill, Mapping)
            else {},
            "warnings": report.get("warnings", []),
            "doubtful": list_doubtful_frames(columns) if isinstance(columns, Mapping) else [],
        }


def _read_report(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(report_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
