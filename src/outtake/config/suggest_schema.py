"""What every key of ``conf/suggest.yaml`` may be; the comments there say what each does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from outtake.config.schema import Form, Node, Number
from outtake.config.shared_schema import Checkpoints, Files, NetworkOptions


@dataclass(frozen=True, kw_only=True)
class SuggestOptions:
    """One run of ``outtake suggest``."""

    checkpoint: Checkpoints
    input: Files
    output: Path | None
    count: Annotated[int, Number(1, 100, unit="frames")]
    distance: Annotated[int, Number(0, unit="frames")]
    classes: Annotated[list[str], Form("a list of names of classes, as [player,ball]")]
    device: Annotated[str, Form("auto, cpu, cuda or cuda:INDEX")]
    network: NetworkOptions
    backend: Node
