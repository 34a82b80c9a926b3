"""What every key of ``conf/stitch.yaml`` may be; the comments there say what each does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from outtake.config.compose import default_values
from outtake.config.infer_video_schema import (
    ClipMaskFileOptions,
    ClipMaskOptions,
    ClipNetworkOptions,
    InferVideoConfig,
    ReadOptions,
)
from outtake.config.schema import Form, Node, Number, parse
from outtake.config.shared_schema import Checkpoints, Files, Names, Regions

_OWN_KEYS = ("output", "samples", "max_side_px", "max_memory_mb")


@dataclass(frozen=True, kw_only=True)
class StitchConfig:
    """One run of ``outtake stitch``."""

    checkpoint: Checkpoints | None
    input: Files
    output: Path
    further_inputs: Node | None
    label_map: str | None
    remove: Names
    keep_only: Names
    masks: ClipMaskFileOptions
    regions: Regions
    device: Annotated[str, Form("auto, cpu, cuda or cuda:INDEX")]
    overwrite: bool
    samples: Annotated[int, Number(1, 99, unit="frames")]
    max_side_px: Annotated[int, Number(16, 32766, unit="pixels")]
    max_memory_mb: Annotated[int, Number(1, 1 << 20, unit="MB")]
    read: ReadOptions
    network: ClipNetworkOptions
    refine: Node
    mask: ClipMaskOptions
    backend: Node

    def __post_init__(self) -> None:
        """Check what the keys that say what is removed say together."""
        self.as_removal()

    def as_removal(self) -> InferVideoConfig:
        """Return the removal of which the frames and the masks are.

        Raises:
            ConfigError: Nothing says what is removed, or two keys say it.
        """
        values = {key: value for key, value in asdict(self).items() if key not in _OWN_KEYS}
        usual = default_values("infer_video")
        values |= {key: usual[key] for key in ("encode", "job", "jobs", "preview")}
        return parse(InferVideoConfig, {**values, "output": str(self.output), "remover": {}})
