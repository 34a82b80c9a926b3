"""What ``conf/evaluate.yaml`` may say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from outtake.config.program_options import PathOptions, Seed
from outtake.config.schema import Node, Number
from outtake.config.shared_schema import AveragingOptions, Checkpoints


@dataclass(frozen=True, kw_only=True)
class BootstrapOptions:
    """How the intervals of scores are drawn."""

    resamples: Annotated[int, Number(100)]
    seed: Seed
    group_by: str


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """One run of ``outtake evaluate``."""

    checkpoint: Checkpoints
    split: str
    label_map: str | None
    baseline: Checkpoints | None
    network: AveragingOptions
    refine: Node
    device: str
    workers: Annotated[int | None, Number(0, unit="processes")]
    output: Path | None
    report: bool
    bootstrap: BootstrapOptions
    paths: PathOptions
    data: Node | None = None
