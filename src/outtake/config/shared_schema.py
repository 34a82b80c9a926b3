"""What ``conf/shared`` may say: the options that pictures and videos have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from outtake.config.schema import Check, Form, Node, NotEmpty, Number
from outtake.core.errors import ConfigError
from outtake.masking.policy import FOREGROUND_DILATION_SHARE
from outtake.masking.regions import Region

Fraction = Annotated[float, Number(0, below=1)]
Names = str | list[str] | None
Files = Annotated[
    str | list[str], NotEmpty(), Form("a file, a folder or an address, or a list of files")
]


def list_names(value: Names) -> list[str]:
    """Return class names from ``remove=car`` and ``remove=[car,person]`` alike."""
    return [value] if isinstance(value, str) else list(value or ())


def _check_regions(key: str, values: Any) -> None:
    for index, each in enumerate(values):
        Region.from_config(each, f"{key}[{index}]")


Regions = Annotated[list[Node], Form("a list of {box:[x,y,width,height]}"), Check(_check_regions)]


Checkpoints = Annotated[
    str | list[str], NotEmpty(), Form("a run folder or a .ckpt file, or a list of them")
]


@dataclass(frozen=True, kw_only=True)
class AveragingOptions:
    """What a network sees of a picture, and what is averaged: the same in scores and in use."""

    short_side: Annotated[int | None, Number(1, unit="pixels")]
    flip: Annotated[bool | Literal["auto"], Form("true, false or auto")]
    scales: Annotated[list[float], NotEmpty(), Number(0.1, 10)]
    window: Annotated[
        int | tuple[int, int] | None,
        Number(32),
        Form("a side or [HEIGHT,WIDTH] in pixels, each at least 32, or null"),
    ]
    overlap: Fraction

    def passes(self, *, of_one_clip: bool = False) -> dict[str, Any]:
        """Return what is averaged over, as arguments of ``open_backend``.

        Args:
            of_one_clip: Whether the network was trained on frames of one clip: it is small, and
                what few frames taught it is uncertain.
        """
        found = {key: getattr(self, key) for key in ("flip", "scales", "window", "overlap")}
        return found | {"flip": of_one_clip if self.flip == "auto" else self.flip}


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(AveragingOptions):
    """How the network labels pictures."""

    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"]
    batch_size: Annotated[int, Number(1, unit="pictures")]


@dataclass(frozen=True, kw_only=True)
class MaskFileOptions:
    """Masks of the user's own: where they are, and what their values mean."""

    path: Files | None
    channel: Literal["auto", "luma", "alpha", "red"]
    invert: bool
    threshold: Annotated[float | None, Number(0, below=1)]
    ids: Annotated[list[int | str] | None, NotEmpty()]
    grow: Fraction

    def __post_init__(self) -> None:
        """Check what two keys say together."""
        if self.ids is not None and self.threshold is not None:
            raise ConfigError(
                f"masks.ids={self.ids} and masks.threshold={self.threshold}: ids are exact; "
                "leave masks.threshold=null"
            )


# Those options of ``mask`` that do not make masks: they are also used with masks of one's own.
FILL_OPTIONS = frozenset({"feather", "grain"})


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """How labels become masks, and how what fills these meets the picture."""

    threshold: Annotated[float | dict[str, float], Number(0, below=1)]
    low: Annotated[float | None, Number(0, below=1)]
    min_area: Fraction
    fill_holes: bool
    dilate: Fraction
    foreground: Names
    feather: Annotated[float, Number(0, 0.1)]
    grain: Annotated[float | Literal["auto"], Number(0, 2), Form("a number from 0 to 2, or auto")]

    def check_feather(self) -> None:
        """Check that what is blended in is wide enough to hide the edge of what labels find.

        Raises:
            ConfigError: The feather is wider than the dilation.
        """
        keys, widest = f"mask.dilate={self.dilate}", self.dilate
        if self.foreground:
            keys, widest = f"half of {keys} (mask.foreground)", FOREGROUND_DILATION_SHARE * widest
        if self.feather > widest:
            raise ConfigError(
                f"mask.feather={self.feather}: wider than {keys}, so the edge of what is removed "
                "would show; set it lower, or mask.dilate higher"
            )

    def policy_options(self) -> dict[str, Any]:
        """Return the options of :class:`outtake.masking.policy.MaskPolicy`, by name."""
        found = {name: value for name, value in vars(self).items() if name not in FILL_OPTIONS}
        return found | {"foreground": list_names(self.foreground)}
