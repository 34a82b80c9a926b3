"""The fingerprint of a data set, and the record of it that every run keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outtake.data.verification import SplitReport


def split_fingerprint(files: Mapping[str, tuple[str, ...]]) -> str:
    """Return the SHA-256 of sorted sample ids with the SHA-256 of their files.

    It does not depend on where the files are, on their times or on their order.
    """
    return _hash_json([[name, *hashes] for name, hashes in sorted(files.items())])


def make_data_record(reports: Iterable[SplitReport]) -> dict[str, Any]:
    """Return the contents of ``data.json``, in plain containers.

    ``fingerprint`` covers all splits; ``splits`` holds for each its count, fingerprint,
    classes, class frequencies, channels, and the SHA-256 of every sample's files.
    """
    splits = {report.split: _split_record(report) for report in reports}
    whole = _hash_json([[name, record["fingerprint"]] for name, record in sorted(splits.items())])
    return {"fingerprint": whole, "splits": splits}


def _split_record(report: SplitReport) -> dict[str, Any]:
    total = int(report.class_pixels.sum()) + report.ignored_pixels
    frequencies = report.class_frequencies.tolist()
    return {
        "count": len(report.files),
        "fingerprint": report.fingerprint,
        "channels": report.channels,
        "classes": list(report.labels.names),
        "class_frequencies": dict(zip(report.labels.names, frequencies, strict=True)),
        "unlabelled": report.ignored_pixels / total,
        "files": {name: list(hashes) for name, hashes in sorted(report.files.items())},
    }


def _hash_json(content: list[list[str]]) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()
