"""Where an evaluation is written: a folder for each checkpoint, data and way of scoring.

A result never takes the place of another: data that training did not know, a baseline, and each way
of scoring have a folder of their own. The plain name is that of the run's own data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from outtake.config.evaluate_schema import EvaluateOptions
from outtake.config.evaluation_data import (
    get_data_name,
    get_root_name,
    names_data_of_training,
)
from outtake.config.load_ensemble import Trained, members_of
from outtake.core.json_files import read_json_object
from outtake.data.verification import SplitReport
from outtake.pages.comparison.find_runs import is_run
from outtake.programs.export_records import REMEDY


@dataclass(frozen=True)
class ScoredData:
    """The data of an evaluation.

    Attributes:
        name: Its name.
        of_training: Whether it is that of the training of the network.
        mark: What tells it from other data of the name, as part of a folder's name.
    """

    name: str
    of_training: bool
    mark: str


def describe_scored_data(trained: Trained, cfg: DictConfig, report: SplitReport) -> ScoredData:
    """Return which data is scored.

    It is that of the training if it has the same files as the run recorded of the split, wherever
    they are now; of a split that was not recorded, if the config says so.

    Args:
        trained: The network.
        cfg: The config of the evaluation.
        report: The verified split.

    Raises:
        RecordError: The ``data.json`` of the run is not JSON.
    """
    run = trained.run_folder
    # Beside a file that lies outside of a run, a data.json may be anybody's.
    recorded: Any = read_json_object(run / "data.json", REMEDY) if is_run(run) else None
    for key in ("splits", report.split, "files"):
        recorded = recorded.get(key) if isinstance(recorded, dict) else None
    if isinstance(recorded, dict):
        of_training = _holds_same(report.files, recorded)
    else:
        of_training = names_data_of_training(trained, cfg)
    parts = (get_root_name(trained, cfg), report.fingerprint[:8])
    return ScoredData(get_data_name(trained, cfg), of_training, "-".join(filter(None, parts)))


def _holds_same(files: Mapping[str, Sequence[str]], recorded: Mapping[str, Sequence[str]]) -> bool:
    # Whatever the samples are called. Of a training with further label maps each has more files
    # than a scored one; the first is the image.
    known: dict[str, set[str]] = {}
    for hashes in recorded.values():
        known.setdefault(hashes[0], set()).update(hashes)
    return len(files) == len(recorded) and all(
        set(hashes) <= known.get(hashes[0], set()) for hashes in files.values()
    )


def choose_evaluation_folder(
    trained: Trained,
    data: ScoredData,
    options: EvaluateOptions,
    refine: Mapping[str, Any] | None,
    baseline: Trained | None = None,
) -> Path:
    """Return ``RUN/evaluation/DATA-SPLIT``, with what else than training's own scoring is asked.

    Other data, the same network with its mirrored picture, at other scales, in windows, at another
    resolution, refined or beside a baseline is another result, which must not take the place of the
    first.

    Args:
        trained: The network, or several, at the resolution that is asked.
        data: The data.
        options: How it is scored.
        refine: The config of the refiner; None for none.
        baseline: What it is compared with; None for nothing.
    """
    parts = [data.name, options.split, *([] if data.of_training else [data.mark])]
    parts += [*_name_networks(trained), *_name_passes(trained, options)]
    if refine is not None:
        parts += [str(refine["_target_"]).rpartition(".")[2].lower(), _digest(refine)]
    if baseline is not None:
        parts.append(f"against-{baseline.sha256[:8]}")
    return trained.run_folder / "evaluation" / "-".join(parts)


def _name_networks(trained: Trained) -> Iterator[str]:
    if len(members_of(trained)) > 1:
        yield f"ensemble-{trained.sha256[:8]}"
    elif trained.path.stem != "best":
        yield trained.path.stem


def _name_passes(trained: Trained, options: EvaluateOptions) -> Iterator[str]:
    usual_flip = trained.clip is not None
    passes = options.network.passes(of_one_clip=usual_flip)
    if options.network.short_side is not None:
        yield f"short_side-{options.network.short_side}"
    if passes["flip"] != usual_flip:
        yield "flip" if passes["flip"] else "no_flip"
    if passes["scales"] != [1.0]:
        yield "-".join(["scales", *(f"{scale:g}" for scale in passes["scales"])])
    if passes["window"] is not None:
        sides = passes["window"] if isinstance(passes["window"], tuple) else (passes["window"],)
        yield f"window-{'x'.join(map(str, sides))}-{passes['overlap']:g}"


def _digest(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
