"""The records of a run that are exported with its network, without secrets and local paths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from outtake.core.files import finite
from outtake.core.json_files import read_json_lines, read_json_object
from outtake.core.redact import redact_tree
from outtake.pages.html_page import rewrite_page_data

# The keys of file names. A class may have such a name too, but then the value is a score.
_PATH_KEYS = ("checkpoint", "baseline", "id")
REMEDY = "repair or delete it"


def collect_records(run: Path, checkpoint: Path, sha256: str) -> dict[str, bytes]:
    """Return the records of a run that belong to one of its checkpoints.

    Of the evaluations it is the newest one of exactly this checkpoint, by its own label map, on the
    data of its training if there is one of that. The summary keeps its best scores only where they
    are this checkpoint's.

    Args:
        run: The run folder.
        checkpoint: The file that is exported.
        sha256: The SHA-256 digest of the file, in hexadecimal.

    Returns:
        The content by name of ``summary.json``, ``metrics.jsonl``, ``data.json``,
        ``metrics.json`` and ``report.html``, as far as they exist.

    Raises:
        RecordError: A record is not JSON.
    """
    files: dict[str, bytes] = {}
    if summary := read_json_object(run / "summary.json", REMEDY):
        if (run / str(summary.get("checkpoint"))).resolve() != checkpoint.resolve():
            summary = {k: v for k, v in summary.items() if k not in ("best", "checkpoint")}
        files["summary.json"] = _to_json_bytes(summary)
    if lines := list(_metric_lines(run / "metrics.jsonl")):
        files["metrics.jsonl"] = "".join(lines).encode()
    if data := read_json_object(run / "data.json", REMEDY):
        splits = {
            name: {key: value for key, value in split.items() if key != "files"}
            for name, split in data.get("splits", {}).items()
        }
        files["data.json"] = _to_json_bytes({**data, "splits": splits})
    scored = _find_evaluation(run, sha256)
    if scored is not None:
        path, record = scored
        files["metrics.json"] = _to_json_bytes(strip_paths(record))
        page = path.with_name("report.html")
        changed = rewrite_page_data(page.read_text(), _strip_page_data) if page.is_file() else None
        if changed is not None:
            files["report.html"] = changed.encode()
    return files


def strip_paths(node: Any) -> Any:
    """Return a copy of an evaluation's record in which files have no folder of this machine.

    A relative id of a sample stays: it is the same on every machine.
    """
    if isinstance(node, Mapping):
        return {
            key: _strip_folder(key, value)
            if key in _PATH_KEYS and isinstance(value, str)
            else strip_paths(value)
            for key, value in node.items()
        }
    return [strip_paths(item) for item in node] if isinstance(node, list) else node


def _strip_folder(key: str, value: str) -> str:
    # It takes both kinds of slashes, because the run may come from any system.
    path = PureWindowsPath(value)
    relative = not path.root and not path.drive
    return value if key == "id" and relative else path.name


def _find_evaluation(run: Path, sha256: str) -> tuple[Path, dict[str, Any]] | None:
    written = (run / "evaluation").glob("*/metrics.json")
    newest_first = sorted(written, key=lambda path: path.stat().st_mtime, reverse=True)
    # The classes and the score of a further label map are not those of the network.
    own = [
        (path, record)
        for path in newest_first
        if (record := read_json_object(path, REMEDY) or {}).get("checkpoint_sha256") == sha256
        and "label_map" not in record
    ]
    # Of equals the first, which is the newest.
    return max(own, key=lambda each: each[1].get("data_of_training") is True, default=None)


def _metric_lines(path: Path) -> Iterator[str]:
    # A run that died may have left half a line.
    for record in read_json_lines(path, skip_damaged=True):
        yield json.dumps(finite(redact_tree(record))) + "\n"


def _strip_page_data(data: Any) -> Any:
    return redact_tree(strip_paths(data))


def _to_json_bytes(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(finite(redact_tree(record)), indent=2, allow_nan=False)
    return (text + "\n").encode()
