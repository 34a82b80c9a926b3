"""What every key of ``conf/infer_video.yaml`` may be; the comments there say what each does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from outtake.config.schema import Check, Form, Node, NotEmpty, Number, show_value
from outtake.core.errors import ConfigError
from outtake.masking.regions import Region
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.write.audio_encoder import AudioChoice

Fraction = Annotated[float, Number(0, below=1)]
Names = str | list[str] | None
Files = Annotated[
    str | list[str], NotEmpty(), Form("a file, a folder or an address, or a list of files")
]


@dataclass(frozen=True, kw_only=True)
class ReadLimits(SafetyLimits):
    """Bounds on what is read."""

    max_pixels: Annotated[int, Number(1, unit="pixels")]
    max_frames: Annotated[int | None, Number(1, unit="frames")]
    max_duration_s: Annotated[float | None, Number(above=0, unit="seconds")]
    timeout_s: Annotated[float, Number(above=0, unit="seconds")]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How the clip is read; the arguments of :func:`outtake.video.read.clip.open_clip`."""

    start: float | str | None
    end: float | str | None
    every: Annotated[int, Number(1, unit="frames")]
    fps: Annotated[float, Number(above=0, unit="frames per second")]
    deinterlace: Literal["bwdif"] | None
    limits: ReadLimits


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How the network labels the frames."""

    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"]
    short_side: Annotated[int | None, Number(1, unit="pixels")]
    batch_size: Annotated[int, Number(1, unit="frames")]
    every: Annotated[int, Number(1, 64, unit="frames")]
    flip: bool
    scales: Annotated[list[float], NotEmpty(), Number(0.1, 10)]
    window: Annotated[
        int | tuple[int, int] | None,
        Number(32),
        Form("a side or [HEIGHT,WIDTH] in pixels, each at least 32, or null"),
    ]
    overlap: Fraction


def _check_regions(key: str, values: Any) -> None:
    for index, each in enumerate(values):
        Region.from_config(each, f"{key}[{index}]")


@dataclass(frozen=True, kw_only=True)
class MaskFileOptions:
    """Masks of the user's own: where they are, and what their values mean."""

    path: Files | None
    channel: Literal["auto", "luma", "alpha", "red"]
    invert: bool
    threshold: Annotated[float | None, Number(0, below=1)]
    ids: Annotated[list[int | str] | None, NotEmpty()]
    grow: Fraction
    first: Annotated[int | None, Number(0)]

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        if self.ids is not None and self.threshold is not None:
            raise ConfigError(
                f"masks.ids={self.ids} and masks.threshold={self.threshold}: ids are exact; "
                "leave masks.threshold=null"
            )


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """How labels become masks, and how soft their rim is."""

    threshold: Annotated[float | dict[str, float], Number(0, below=1)]
    low: Annotated[float | None, Number(0, below=1)]
    vote: Annotated[int, Number(0, unit="frames")]
    min_area: Fraction
    fill_holes: bool
    shadows: bool
    dilate: Fraction
    feather: Annotated[float, Number(0, 0.1)]

    def policy_options(self) -> dict[str, Any]:
        """Return the options of :class:`outtake.masking.policy.MaskPolicy`, by name."""
        return {name: value for name, value in vars(self).items() if name != "feather"}


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How the output is encoded."""

    codec: str
    crf: Annotated[int | None, Number(0)]
    bitrate: str | int | None
    preset: str
    chroma: Literal["auto", 420, 422, 444]
    profile: str | None
    level: str | float | None
    audio: AudioChoice
    provenance_video: bool


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """How the work is done."""

    resume: bool
    segment_frames: Annotated[int, Number(1, unit="frames")]
    max_memory_mb: Annotated[int, Number(1, unit="MB")]
    workers: Annotated[int, Number(0)]
    ray_address: str | None


@dataclass(frozen=True, kw_only=True)
class InferVideoConfig:
    """The whole config of ``infer_video.py``."""

    checkpoint: str | None
    input: Files
    output: Annotated[str, Form("a file, or a folder for several inputs")]
    remove: Names
    keep_only: Names
    masks: MaskFileOptions
    regions: Annotated[
        list[Node], Form("a list of {box:[x,y,width,height]}"), Check(_check_regions)
    ]
    device: Annotated[str, Form("auto, cpu, cuda or cuda:INDEX")]
    preview: bool
    overwrite: bool
    read: ReadOptions
    network: NetworkOptions
    mask: MaskOptions
    remover: Node
    backend: Node
    encode: EncodeOptions
    job: JobOptions

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        mask = self.mask
        if not self.without_network and mask.feather > mask.dilate:
            raise ConfigError(
                f"mask.feather={mask.feather}: wider than mask.dilate={mask.dilate}, so the edge "
                "of what is removed would show; set it lower, or mask.dilate higher"
            )
        for key in ("remove", "keep_only"):
            if getattr(self, key) and self.masks.path is not None:
                raise ConfigError(f"masks= says already what is removed; leave {key}=[]")
            if getattr(self, key) and self.checkpoint is None:
                raise ConfigError(
                    f"{key}={show_value(getattr(self, key))} needs a network that knows such a "
                    "class: set checkpoint=RUN_FOLDER_OR_CKPT"
                )
        if self.masks.path is None and self.checkpoint is None and not self.regions:
            raise ConfigError(
                "checkpoint has no value: set checkpoint=RUN_FOLDER_OR_CKPT, or give masks=CLIP or "
                "regions=[{box:[x,y,width,height]}]"
            )

    @property
    def without_network(self) -> bool:
        """Whether masks or regions say all that is removed."""
        named = self.remove or self.keep_only
        return (
            self.masks.path is not None
            or self.checkpoint is None
            or bool(self.regions and not named)
        )
