"""What every key of ``conf/stitch.yaml`` may be; the comments there say what each does."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

from outtake.config.compose import default_values
from outtake.config.infer_video_schema import InferVideoConfig, MaskedClipOptions
from outtake.config.schema import Number, parse


@dataclass(frozen=True, kw_only=True)
class StitchConfig(MaskedClipOptions):
    """One run of ``outtake stitch``."""

    output: Path
    overwrite: bool
    samples: Annotated[int, Number(1, 99, unit="frames")]
    max_side_px: Annotated[int, Number(16, 32766, unit="pixels")]
    max_memory_mb: Annotated[int, Number(1, 1 << 20, unit="MB")]

    def as_removal(self) -> InferVideoConfig:
        """Return the removal of which the frames and the masks are."""
        own = asdict(self)
        values = {each.name: own[each.name] for each in fields(MaskedClipOptions)}
        values |= {"output": str(self.output), "overwrite": self.overwrite, "remover": {}}
        usual = default_values("infer_video")
        values |= {key: usual[key] for key in ("encode", "job", "jobs", "preview")}
        return parse(InferVideoConfig, values)
