"""Read what wandb wrote offline: records in LevelDB's log format, as its own sync reads them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

BLOCK, HEADER = 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> Iterator[Any]:
    """Yield every record of a ``.wandb`` file."""
    content = path.read_bytes()
    assert content[:4] == b":W&B"
    at, whole = 7, b""
    while at + HEADER <= len(content):
        room = BLOCK - at % BLOCK
        if room < HEADER:
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + HEADER])
        whole += content[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record
        assert kind in (FULL, FIRST, MIDDLE, LAST)


def history(path: Path) -> list[dict[str, Any]]:
    """Return what ``run.log`` was given, one dictionary for each call."""
    found = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            found.append(
                {
                    item.key or ".".join(item.nested_key): json.loads(item.value_json)
                    for item in items
                }
            )
    return found


def config(path: Path) -> dict[str, Any]:
    """Return the config that the run was given."""
    found: dict[str, Any] = {}
    for record in records(path):
        kind = record.WhichOneof("record_type")
        update = {"config": record.config, "run": record.run.config}.get(kind)
        for item in update.update if update is not None else ():
            found[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    return found
