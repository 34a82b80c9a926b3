"""The classes of a scene, its proportions, and its light."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from outtake.core.labels import LabelSpace
from outtake.data.synthetic.rng import Rng

Rgb = tuple[float, float, float]

STUFF = ("sky", "building", "plant", "pavement", "road")
OBJECTS = ("car", "person", "ball")
LABELS = LabelSpace(
    STUFF + OBJECTS,
    (
        (124, 180, 232),
        (156, 102, 84),
        (82, 148, 74),
        (214, 178, 206),
        (110, 88, 130),
        (26, 78, 214),
        (226, 56, 62),
        (250, 198, 44),
    ),
)
SKY, BUILDING, PLANT, PAVEMENT, ROAD, CAR, PERSON, BALL = range(8)

# Where the bands of the backdrop begin, in frame heights from the top of the frame.
GRASS_TOP, PAVEMENT_TOP, CURB_TOP, ROAD_TOP = 0.575, 0.640, 0.752, 0.772

ZOOM_MIN, ZOOM_MAX = 0.95, 1.08
FRAMES_PER_SECOND = 24


@dataclass(frozen=True)
class SceneLayout:
    """The sizes in pixels that follow from that of the frame.

    Attributes:
        height: The height of a frame.
        width: The width of a frame.
    """

    height: int
    width: int

    @property
    def unit_px(self) -> float:
        """The length that objects and textures scale with: the frame height, if not portrait."""
        return min(float(self.height), self.width * 2 / 3)

    @property
    def margin_px(self) -> int:
        """Rows of backdrop above and below the frame: for zooming out, jitter and roll."""
        return ceil(0.06 * self.height + 0.006 * self.width) + 3

    @property
    def backdrop_height(self) -> int:
        """Rows of the backdrop."""
        return self.height + 2 * self.margin_px

    @property
    def period_px(self) -> int:
        """Columns of the backdrop before it repeats."""
        return 3 * self.width

    def row(self, fraction: float) -> int:
        """The backdrop row at a height given in frame heights from the top of the frame."""
        return self.margin_px + int(fraction * self.height + 0.5)


@dataclass(frozen=True)
class Light:
    """The light: it comes from the upper left behind the scene, and shadows fall to the front.

    Attributes:
        zenith: The colour at the top of the sky, 0 to 1.
        horizon: The colour at the bottom of the sky, 0 to 1.
        tint: The colour that every surface is multiplied with.
        shadow: The share of the light that a shadow takes away, 0 to 1.
        shear: The length of a shadow to the right, per unit of height.
        squash: The length of a shadow down the frame, per unit of height.
    """

    zenith: Rgb
    horizon: Rgb
    tint: Rgb
    shadow: float
    shear: float
    squash: float

    @classmethod
    def random(cls, rng: Rng) -> Light:
        """Draw one of the light presets, with its shadows."""
        zenith, horizon, tint = rng.choice(_LIGHT_PRESETS)
        return cls(
            rgb(*zenith),
            rgb(*horizon),
            tint,
            shadow=rng.uniform(0.40, 0.5),
            shear=rng.uniform(0.22, 0.5),
            squash=rng.uniform(0.2, 0.28),
        )


def rgb(red: int, green: int, blue: int) -> Rgb:
    """Scale a colour from 0..255 to 0..1."""
    return red / 255, green / 255, blue / 255


def scale_colour(colour: Rgb, factor: float) -> Rgb:
    """Return a colour brighter or darker by a factor, at most 1."""
    red, green, blue = (min(1.0, channel * factor) for channel in colour)
    return red, green, blue


_LIGHT_PRESETS = (
    ((84, 152, 222), (208, 232, 246), (1.0, 1.0, 1.0)),
    ((112, 160, 212), (252, 226, 186), (1.04, 0.98, 0.88)),
    ((108, 184, 222), (228, 242, 234), (1.0, 1.02, 0.98)),
    ((134, 148, 208), (250, 208, 198), (1.03, 0.95, 0.96)),
)
