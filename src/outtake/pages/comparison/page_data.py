"""What the comparison page shows, as plain containers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outtake.evaluation.metrics import Metric, split_metrics
from outtake.pages.comparison.config_differences import (
    differing_keys,
    group_by_seed,
    resolve_setting,
)
from outtake.pages.comparison.curves import collect_curves
from outtake.pages.comparison.example_images import example_images
from outtake.pages.comparison.run_record import OBJECTIVE, RunRecord
from outtake.pages.comparison.untrusted_files import as_finite_number, as_mapping

MAX_SETTINGS_SHOWN = 60
_MAX_EVALUATIONS = 6
_NOTES_SHOWN = ("tags", "group", "note")
_OBJECTIVE_METRIC = next(m for m in split_metrics() if f"val/{m.key}" == OBJECTIVE)


def page_data(runs: Sequence[RunRecord], title: str) -> dict[str, Any]:
    """Return what ``comparison.js`` draws; runs without anything to draw are only listed."""
    shown = [run for run in runs if run.is_drawable]
    listed = [
        {"name": run.name, "state": run.state, "reason": "; ".join(run.problems)}
        for run in runs
        if run.problems
    ]
    keys = differing_keys(known_settings(shown))
    keys = [*_noted_keys(shown), *keys]
    evaluations = _evaluation_names(shown)
    pictures, scenes = example_images(shown)
    rows = [run_row(run, keys[:MAX_SETTINGS_SHOWN]) for run in shown]
    groups = group_by_seed([run.settings for run in shown], [run.data for run in shown])
    grouped = [group_row(members, rows, keys[:MAX_SETTINGS_SHOWN]) for members in groups]
    return {
        "title": title,
        "objective": OBJECTIVE,
        "objective_title": _OBJECTIVE_METRIC.title,
        "scores": [
            {"key": f"best {metric.key}", "title": metric.title} for metric in _other_metrics()
        ],
        "runs": [{**row, "picture": picture} for row, picture in zip(rows, pictures, strict=True)],
        "groups": grouped,
        "evaluations": evaluations[:_MAX_EVALUATIONS],
        "evaluations_left_out": max(len(evaluations) - _MAX_EVALUATIONS, 0),
        "settings": keys[:MAX_SETTINGS_SHOWN],
        "settings_left_out": max(len(keys) - MAX_SETTINGS_SHOWN, 0),
        "classes": list(dict.fromkeys(name for row in rows for name in row["iou"])),
        "fronts": {"runs": fronts_by_device(rows), "groups": fronts_by_device(grouped)},
        **collect_curves(shown, groups),
        "scenes": scenes,
        "listed": listed,
        "notes": _notes(shown),
    }


def known_settings(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return the settings of runs whose config could be read; the others would differ in all."""
    return [run.settings for run in runs if run.settings]


def _other_metrics() -> list[Metric]:
    """Return what each validation logs beside the objective."""
    return [m for m in split_metrics() if m.headline and m is not _OBJECTIVE_METRIC]


def _noted_keys(runs: Sequence[RunRecord]) -> list[str]:
    return [key for key in _NOTES_SHOWN if any(getattr(run.notes, key) for run in runs)]


def run_row(run: RunRecord, keys: Sequence[str]) -> dict[str, Any]:
    """Return the scores and the settings of a run under some keys."""
    forward = _forward_time(run)
    notes = {key: str(getattr(run.notes, key)) for key in ("group", "note")}
    notes["tags"] = ", ".join(run.notes.tags)
    return {
        "name": run.name,
        "state": run.state,
        "values": _run_values(run, forward["ms"]),
        "iou": _class_iou(run),
        "settings": {
            key: notes[key] if key in notes else resolve_setting(run.settings, key) for key in keys
        },
        "device": forward["device"],
    }


def group_row(
    members: Sequence[int], rows: Sequence[dict[str, Any]], keys: Sequence[str]
) -> dict[str, Any]:
    """Return the row of runs that differ by their seed alone: means and sample deviations."""
    first = rows[members[0]]
    member_rows = [rows[index] for index in members]
    words = [
        f"{key.rpartition('.')[2]}={first['settings'][key]}"
        for key in keys
        if key not in ("seed", *_NOTES_SHOWN)
    ]
    label = f"{', '.join(words[:3]) or first['name']} ({len(member_rows)} runs)"
    seeds = ", ".join(str(row["settings"].get("seed")) for row in member_rows)
    values, spread = _mean_and_spread([row["values"] for row in member_rows])
    iou, iou_spread = _mean_and_spread([row["iou"] for row in member_rows])
    devices = {row["device"] for row in member_rows if row["device"]}
    return {
        "name": label if len(member_rows) > 1 else first["name"],
        "state": "finished"
        if all(row["state"] == "finished" for row in member_rows)
        else "unfinished",
        "members": list(members),
        "values": values,
        "spread": spread,
        "iou": iou,
        "iou_spread": iou_spread,
        "settings": first["settings"] | ({"seed": seeds} if "seed" in keys else {}),
        "device": devices.pop() if len(devices) == 1 else None,
    }


def _mean_and_spread(
    records: Sequence[dict[str, Any]],
) -> tuple[dict[str, float | None], dict[str, float]]:
    means: dict[str, float | None] = {}
    spreads: dict[str, float] = {}
    for key in dict.fromkeys(key for record in records for key in record):
        there = [record[key] for record in records if record.get(key) is not None]
        means[key] = float(np.mean(there)) if there else None
        if len(there) > 1:
            spreads[key] = float(np.std(there, ddof=1))
    return means, spreads


def best_score(run: RunRecord) -> float | None:
    """Return the objective of the best validation, or else of the newest evaluation on val."""
    if OBJECTIVE in run.best:
        return run.best[OBJECTIVE]
    for record in _validations(run):
        if (miou := as_finite_number(record.get("miou"))) is not None:
            return miou
    return None


def _validations(run: RunRecord) -> list[dict[str, Any]]:
    """Return the evaluations on the val that the run was trained with, the newest first."""
    return [
        record
        for record in reversed(_own_evaluations(run))
        if record.get("split") == "val"
        and "label_map" not in record
        and record.get("data_of_training") is not False
    ]


def _own_evaluations(run: RunRecord) -> list[dict[str, Any]]:
    """Return the evaluations of the run alone, not those of ensembles of which it is the first."""
    return [record for record in run.evaluations if "members" not in record]


def _forward_time(run: RunRecord) -> dict[str, Any]:
    # An evaluation is newer than training, and may have been run on the device that matters.
    for record in [*reversed(_own_evaluations(run)), run.summary]:
        ms = as_finite_number(record.get("forward_ms"))
        if ms is not None and ms > 0:
            device = as_mapping(record.get("forward")).get("device")
            return {"ms": ms, "device": str(device or "device not named")[:120]}
    return {"ms": None, "device": None}


def _run_values(run: RunRecord, forward_ms: float | None) -> dict[str, float | None]:
    wall_s = as_finite_number(run.summary.get("wall_time_s"))
    values = {
        "score": best_score(run),
        **{f"best {m.key}": run.best.get(f"val/{m.key}") for m in _other_metrics()},
        "loss": run.best.get("val/loss"),
        "epochs": as_finite_number(run.summary.get("epochs")),
        "minutes": None if wall_s is None else wall_s / 60,
        "rate": as_finite_number(run.summary.get("samples_per_second")),
        "parameters": as_finite_number(run.summary.get("parameters")),
        "forward": forward_ms,
    }
    for record in run.evaluations:
        values[f"evaluation {record['where']}"] = as_finite_number(record.get("miou"))
    return values


def _evaluation_names(runs: Sequence[RunRecord]) -> list[str]:
    names = {str(record["where"]) for run in runs for record in run.evaluations}
    return sorted(names)


def _class_iou(run: RunRecord) -> dict[str, float]:
    """Return the IoU of each class at the best validation, else of the newest evaluation on val."""
    prefix = "val/iou/"
    iou = {k.removeprefix(prefix): v for k, v in run.best.items() if k.startswith(prefix)}
    for record in _validations(run):
        if not iou:
            pairs = as_mapping(record.get("iou")).items()
            iou = {str(key): n for key, v in pairs if (n := as_finite_number(v)) is not None}
    return iou


def fronts_by_device(rows: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """Return the positions on the front by device: times of two devices do not compare."""
    there: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        values = row["values"]
        if row["device"] and values["forward"] is not None and values["score"] is not None:
            there.setdefault(row["device"], []).append(index)
    return {
        device: [
            places[index]
            for index in pareto_front(
                [rows[place]["values"]["forward"] for place in places],
                [rows[place]["values"]["score"] for place in places],
            )
        ]
        for device, places in sorted(there.items())
    }


def pareto_front(times: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return the positions on the Pareto front, the fastest first.

    A point is on it if no other is at least as fast and at least as good, and better in one of
    the two. Of points that agree in both, the first is on it.
    """
    front: list[int] = []
    best = float("-inf")
    for index in sorted(range(len(times)), key=lambda i: (times[i], -scores[i])):
        if scores[index] > best:
            front.append(index)
            best = scores[index]
    return front


def _notes(runs: Sequence[RunRecord]) -> list[str]:
    notes = []
    if len({run.data for run in runs if run.data}) > 1:
        notes.append(
            "These runs were not all trained and validated on the same data (fingerprints in "
            "data.json differ): their scores do not compare directly."
        )
    if any(not run.settings for run in runs):
        notes.append("Runs without a readable config.yaml show no settings.")
    return notes
