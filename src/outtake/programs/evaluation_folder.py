"""Where an evaluation is written: a folder for each checkpoint, data and way of scoring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from outtake.config.evaluate_schema import EvaluateOptions
from outtake.config.load_ensemble import Trained, members_of


def choose_evaluation_folder(
    trained: Trained, data_name: str, options: EvaluateOptions, refine: Mapping[str, Any] | None
) -> Path:
    """Return ``RUN/evaluation/DATA-SPLIT``, with what else than training's own scoring is asked.

    The same network with its mirrored picture, at other scales, in windows, at another resolution
    or refined is another result, which must not take the place of the first.

    Args:
        trained: The network, or several, at the resolution that is asked.
        data_name: The name of the data.
        options: How it is scored.
        refine: The config of the refiner; None for none.
    """
    parts = [data_name, options.split, *_name_networks(trained), *_name_passes(trained, options)]
    if refine is not None:
        parts += [str(refine["_target_"]).rpartition(".")[2].lower(), _digest(refine)]
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
