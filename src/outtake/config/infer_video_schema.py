"""What every key of ``conf/infer_video.yaml`` may be; the comments there say what each does."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from outtake.config.schema import Form, Node, Number, show_value
from outtake.config.shared_schema import (
    Checkpoints,
    Files,
    MaskFileOptions,
    MaskOptions,
    Names,
    NetworkOptions,
    Regions,
)
from outtake.core.errors import ConfigError
from outtake.video.interlacing import FieldChoice
from outtake.video.read.frame_selection import parse_time
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.write.audio_encoder import AudioChoice

USUAL_VOTE_FRAMES = 2


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
    fields: FieldChoice
    limits: ReadLimits

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        if self.deinterlace is not None and self.fields == "none":
            raise ConfigError(
                f"read.fields=none says that the pictures are whole; leave out "
                f"read.deinterlace={self.deinterlace}"
            )


@dataclass(frozen=True, kw_only=True)
class ClipNetworkOptions(NetworkOptions):
    """How the network labels the frames of a clip."""

    every: Annotated[int, Number(1, 64, unit="frames")]


@dataclass(frozen=True, kw_only=True)
class ClipMaskOptions(MaskOptions):
    """How the labels of a clip become masks."""

    vote: Annotated[
        int | Literal["auto"], Number(0), Form("a whole number of frames, at least 0, or auto")
    ]
    shadows: bool
    reflections: bool

    def policy_options(self, *, of_one_clip: bool = False) -> dict[str, Any]:
        """Return the options of the mask policy.

        Args:
            of_one_clip: Whether the network was trained on frames of one clip: it knows each frame
                better than its neighbours do.
        """
        usual = 0 if of_one_clip else USUAL_VOTE_FRAMES
        return super().policy_options() | {"vote": usual if self.vote == "auto" else self.vote}


@dataclass(frozen=True, kw_only=True)
class ClipMaskFileOptions(MaskFileOptions):
    """Masks of the user's own for a clip."""

    first: Annotated[int | None, Number(0)]
    offset: Annotated[int, Number(unit="frames")]

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        super().__post_init__()
        if self.first is not None and self.offset:
            raise ConfigError(
                f"masks.first={self.first} and masks.offset={self.offset}: numbers in names say "
                "which frame a mask is of; leave masks.offset=0"
            )


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How the output is encoded."""

    codec: str
    crf: Annotated[int | None, Number(0)]
    bitrate: str | int | None
    passes: Annotated[int, Number(1, 2)]
    copy_unchanged: Literal["auto", "always", "never"]
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
class MaskedClipOptions:
    """Which clip is read, and what is removed from it."""

    checkpoint: Checkpoints | None
    input: Files
    further_inputs: Node | None
    label_map: str | None
    labels: str | None
    remove: Names
    keep_only: Names
    masks: ClipMaskFileOptions
    regions: Regions
    device: Annotated[str, Form("auto, cpu, cuda or cuda:INDEX")]
    read: ReadOptions
    network: ClipNetworkOptions
    refine: Node
    mask: ClipMaskOptions
    backend: Node

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        if not self.without_network:
            self.mask.check_feather()
        for key in ("remove", "keep_only"):
            if getattr(self, key) and self.masks.path is not None:
                raise ConfigError(f"masks= says already what is removed; leave out {key}=")
            if getattr(self, key) and self.checkpoint is None:
                raise ConfigError(
                    f"{key}={show_value(getattr(self, key))} needs a network that knows such a "
                    "class: set checkpoint=RUN_FOLDER_OR_CKPT"
                )
        if self.labels is not None and self.without_network:
            raise ConfigError(
                f"labels={self.labels}: takes the place of a network's labels in some frames, and "
                "no network is used; leave it out, or give checkpoint= and remove="
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


@dataclass(frozen=True, kw_only=True)
class InferVideoConfig(MaskedClipOptions):
    """The whole config of ``outtake infer-video``."""

    output: Annotated[str, Form("a file, or a folder for several inputs")]
    jobs: str | None
    preview: Annotated[bool | float | str, Form("true, false, or a time such as 0:03")]
    overwrite: bool
    remover: Node
    encode: EncodeOptions
    job: JobOptions

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        if not isinstance(self.preview, bool):
            parse_time("preview", self.preview)
        video = self.encode.provenance_video
        more = {"preview": self.asks_preview, "encode.provenance_video": video}
        for key in [key for key, asked in more.items() if asked and self.output == "-"]:
            raise ConfigError(
                f"{key}=true: standard output holds one video and no files beside it; name a "
                "file instead of output=-"
            )
        super().__post_init__()

    @property
    def asks_preview(self) -> bool:
        """Whether a preview is made instead of the output."""
        return self.preview is not False

    @property
    def preview_s(self) -> Fraction | None:
        """The time that a preview shows, in seconds; None for the beginning.

        Raises:
            ConfigError: It is no time.
        """
        return None if isinstance(self.preview, bool) else parse_time("preview", self.preview)
