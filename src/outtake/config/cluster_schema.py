"""What every key of ``conf/cluster.yaml`` may be; the comments there say what each does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from outtake.config.schema import Form, NotEmpty, Number
from outtake.config.shared_schema import Checkpoints


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """The whole config of ``outtake cluster``."""

    checkpoint: Checkpoints | None
    input: Annotated[str | list[str], NotEmpty(), Form("a picture, a folder, a glob, or a list")]
    output: str
    groups: Annotated[int, Number(2, 254)]
    method: Literal["watershed", "slic", "felzenszwalb"]
    regions: Annotated[int, Number(1)]
    least: Annotated[int, Number(1, unit="pixels")]
    contours: Literal["svg", "labelme"] | None
    tolerance_px: Annotated[float, Number(0, unit="pixels")]
    device: Annotated[str, Form("auto, cpu, cuda or cuda:INDEX")]
    overwrite: bool
