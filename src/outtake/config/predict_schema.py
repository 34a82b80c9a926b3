"""What every key of ``conf/predict.yaml`` may be; the comments there say what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from outtake.config.schema import Form, Node, NotEmpty, Number, show_value
from outtake.config.shared_schema import (
    Checkpoints,
    Fraction,
    MaskFileOptions,
    MaskOptions,
    Names,
    NetworkOptions,
    Regions,
)
from outtake.core.errors import ConfigError

OutputName = Literal["labels", "colours", "overlay", "polygons", "shares", "removed"]


@dataclass(frozen=True, kw_only=True)
class PolygonOptions:
    """Which regions become polygons, and how exact these are."""

    min_area: Fraction
    simplify_px: Annotated[float, Number(0, unit="pixels")]


@dataclass(frozen=True, kw_only=True)
class PictureJobOptions:
    """How the work is done."""

    max_memory_mb: Annotated[int, Number(1, unit="MB")]


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """The whole config of ``outtake predict``."""

    checkpoint: Checkpoints | None
    input: Annotated[str | list[str], NotEmpty(), Form("a picture, a folder, a glob, or a list")]
    output: str
    further_inputs: Node | None
    label_map: str | None
    outputs: Annotated[
        Literal["auto"] | list[OutputName],
        NotEmpty(),
        Form("auto, or a list of labels, colours, overlay, polygons, shares and removed"),
    ]
    remove: Names
    keep_only: Names
    masks: MaskFileOptions
    regions: Regions
    range: Annotated[Literal["auto"] | list[float], Form("auto, or [low,high]")]
    min_confidence: Fraction
    device: Annotated[str, Form("auto, cpu, cuda or cuda:INDEX")]
    overwrite: bool
    network: NetworkOptions
    refine: Node
    mask: MaskOptions
    polygons: PolygonOptions
    remover: Node
    backend: Node
    job: PictureJobOptions

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        named = self.named_classes
        if self.masks.path is not None and named:
            raise ConfigError(f"masks= says already what is removed; leave out {named}=")
        if self.checkpoint is None:
            self._check_without_checkpoint(named)
        if self.by_labels:
            self.mask.check_feather()
        if self.min_confidence and all(name == "removed" for name in self.output_names):
            raise ConfigError(
                f"min_confidence={self.min_confidence}: it is of labels that are written, and "
                "outputs has none of them; add labels to it (mask.threshold is of removal)"
            )
        if "removed" in self.outputs and not self.removes:
            raise ConfigError(
                "outputs=[removed]: nothing is to be removed; set remove=[CLASS,...], masks=FOLDER "
                "or regions=[{box:[x,y,width,height]}]"
            )
        if self.removes and self.outputs != "auto" and "removed" not in self.outputs:
            raise ConfigError(
                f"outputs={show_value(self.outputs)}: there is something to remove, and the "
                "pictures without it are not asked for; add removed to the list"
            )

    def _check_without_checkpoint(self, named: str | None) -> None:
        if named or not self.removes:
            raise ConfigError(
                "checkpoint has no value: set checkpoint=RUN_FOLDER_OR_CKPT, or give masks=FOLDER "
                "or regions=[{box:[x,y,width,height]}] for a removal alone"
            )
        extra = [name for name in self.output_names if name != "removed"]
        if extra:
            raise ConfigError(
                f"outputs={show_value(self.outputs)}: {extra[0]} needs the labels of a network; "
                "set checkpoint=RUN_FOLDER_OR_CKPT"
            )

    @property
    def named_classes(self) -> str | None:
        """The key that names the classes to remove, if one does."""
        return next((key for key in ("remove", "keep_only") if getattr(self, key)), None)

    @property
    def by_labels(self) -> bool:
        """Whether labels say what is removed."""
        return self.named_classes is not None

    @property
    def removes(self) -> bool:
        """Whether something is to be removed."""
        return self.by_labels or self.masks.path is not None or bool(self.regions)

    @property
    def output_names(self) -> tuple[OutputName, ...]:
        """What is written."""
        if self.outputs != "auto":
            return tuple(dict.fromkeys(self.outputs))
        return ("removed",) if self.removes else ("labels", "overlay", "shares")

    @property
    def needs_labels(self) -> bool:
        """Whether the network must run."""
        return self.by_labels or any(name != "removed" for name in self.output_names)


def made_with(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a config, as plain containers, on which the files depend."""
    kept = (
        "remove", "keep_only", "masks", "regions", "range", "min_confidence", "device", "network",
        "refine",        "mask", "polygons", "remover", "backend",
    )  # fmt: skip
    return {key: values[key] for key in kept}
