"""A street between two walls, seen by a camera that may move and turn: parallax at every depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame

Plane = NDArray[np.float32]

# Lengths in metres: y points down, the camera's height is y = 0.
GROUND, WALL, WALL_TOP = 1.7, 7.0, -9.0
TEXELS_PER_METRE = 48
LEVELS = 7


@dataclass(frozen=True)
class Pose:
    """Where the camera is, and where it looks, in radians."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def axes(self) -> NDArray[np.float64]:
        """Return the camera's axes in the world, one in each column."""
        (sy, cy), (sp, cp), (sr, cr) = (
            (np.sin(a), np.cos(a)) for a in (self.yaw, self.pitch, self.roll)
        )
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return np.asarray(turn @ nod @ tilt, np.float64)


@dataclass(frozen=True)
class Card:
    """Something flat that stands on the ground: a bush, a sign, a post."""

    x: float
    z: float
    along: float
    width: float
    height: float
    picture: Frame
    shape: NDArray[np.uint8]

    def corners(self) -> NDArray[np.float64]:
        """Return its corners in the world, (4, 3), clockwise from the upper left."""
        dx, dz = np.cos(self.along) * self.width / 2, np.sin(self.along) * self.width / 2
        ends = [(self.x - dx, self.z - dz), (self.x + dx, self.z + dz)]
        (ax, az), (bx, bz) = ends
        top = GROUND - self.height
        return np.array([[ax, top, az], [bx, top, bz], [bx, GROUND, bz], [ax, GROUND, az]])


class Street:
    """A world that any camera can film.

    Args:
        height: The height of the frames.
        width: The width of the frames.
        seed: The number of the street.
        cards: The number of things that stand in every ten metres.
        faces_wall: True if the cards face the walls, for a camera that looks there.
    """

    def __init__(
        self, height: int, width: int, seed: int, cards: float = 4, faces_wall: bool = False
    ) -> None:
        self._size = (height, width)
        self._focal_px = 0.8 * width
        dice = np.random.default_rng(seed)
        self._surfaces = [
            build_pyramid(make_masonry(1024, 1024, seed + index)) for index in range(3)
        ]
        self._sky = make_texture(512, 2048, seed + 7) // 3 + np.array([120, 140, 165], np.uint8)
        self._cards = [
            _make_card(dice, z, faces_wall) for z in dice.uniform(-10, 130, round(14 * cards))
        ]

    def render(self, pose: Pose) -> Frame:
        """Return what the camera sees, uint8 (H, W, 3)."""
        height, width = self._size
        axes = pose.axes()
        u, v = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
        rays = np.stack((u / self._focal_px, v / self._focal_px, np.ones_like(u)), axis=-1) @ axes.T
        image = self._render_background(rays, pose)
        for card in sorted(self._cards, key=lambda one: -_card_depth(one, pose, axes)):
            self._draw(image, card, pose, axes)
        return image

    def _render_background(self, rays: NDArray[np.float64], pose: Pose) -> Frame:
        dx, dy, dz = (rays[..., index] for index in range(3))
        with np.errstate(divide="ignore", invalid="ignore"):
            ground = np.where(dy > 0, (GROUND - pose.y) / dy, np.inf)
            wall = np.where(dx > 0, (WALL - pose.x) / dx, (-WALL - pose.x) / dx)
        wall = np.where(wall > 0, wall, np.inf)
        above = pose.y + wall * dy < WALL_TOP
        wall = np.where(above, np.inf, wall)
        distance = np.minimum(ground, wall)
        elevation = np.arctan2(-dy, np.hypot(dx, dz))
        bearing = np.arctan2(dx, dz)
        at = (bearing / np.pi * 1024 + 1024, 400 - elevation * 250)
        image = _sample_texture(self._sky, *at)
        wall_here = (wall <= ground) & np.isfinite(wall)
        surfaces = (
            (ground < wall, 0, 2, dy),
            (wall_here & (dx > 0), 2, 1, dx),
            (wall_here & (dx <= 0), 2, 1, dx),
        )
        origin = (pose.x, pose.y, pose.z)
        for levels, (here, first, second, across) in zip(self._surfaces, surfaces, strict=True):
            far = distance[here]
            texels = far / self._focal_px * TEXELS_PER_METRE
            level = np.log2(np.maximum(texels / np.maximum(np.abs(across[here]), 1e-3), 1e-3))
            at = (origin[axis] + far * rays[..., axis][here] for axis in (first, second))
            image[here] = _sample_mipmaps(levels, *at, level)
        return image

    def _draw(self, image: Frame, card: Card, pose: Pose, axes: NDArray[np.float64]) -> None:
        inside = (card.corners() - (pose.x, pose.y, pose.z)) @ axes
        if inside[:, 2].min() < 0.4:
            return
        height, width = self._size
        at = inside[:, :2] / inside[:, 2:] * self._focal_px + ((width - 1) / 2, (height - 1) / 2)
        if at.max() > 20000 or at.min() < -20000:
            return
        left, top = (max(0, int(low) - 1) for low in at.min(axis=0))
        right = min(width, int(at[:, 0].max()) + 2)
        bottom = min(height, int(at[:, 1].max()) + 2)
        if left >= right or top >= bottom:
            return
        # Reduced first, or what is far away would sparkle.
        rows, columns = card.picture.shape[:2]
        scale = min(1.0, float(np.ptp(at[:, 1]) / rows), float(np.ptp(at[:, 0]) / columns) * 2)
        w, h = max(2, round(columns * scale)), max(2, round(rows * scale))
        picture = cv2.resize(card.picture, (w, h), interpolation=cv2.INTER_AREA)
        shape = cv2.resize(card.shape, (w, h), interpolation=cv2.INTER_AREA)
        source = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], np.float32)
        to_box = cv2.getPerspectiveTransform(source, (at - (left, top)).astype(np.float32))
        size = (right - left, bottom - top)
        drawn = cv2.warpPerspective(picture, to_box, size)
        alpha = cv2.warpPerspective(shape, to_box, size)[..., None] / np.float32(255)
        box = image[top:bottom, left:right]
        box[:] = np.rint(alpha * drawn + (1 - alpha) * box)


def make_texture(height: int, width: int, seed: int) -> Frame:
    """Return a picture with detail at several scales."""
    dice = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for step in (4, 8, 24, 64):
        grid = (height // step + 2, width // step + 2)
        # Most of it is light and dark; colours vary less, as they do outside.
        small = dice.normal(0, 9 + step / 4, (*grid, 1)) + dice.normal(0, 3, (*grid, 3))
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + dice.uniform(80, 160) + dice.uniform(-25, 25, 3), 0, 255).astype(
        np.uint8
    )


def make_masonry(height: int, width: int, seed: int) -> Frame:
    """Return a texture with windows, slabs and lines on it."""
    picture = make_texture(height, width, seed)
    dice = np.random.default_rng(seed)
    for _ in range(60):
        x, y = int(dice.integers(0, width)), int(dice.integers(0, height))
        w, h = (int(value) for value in dice.integers(20, 130, 2))
        colour = tuple(int(value) for value in dice.integers(50, 190) + dice.integers(0, 40, 3))
        width_px = int(dice.choice([cv2.FILLED, 2, 4]))
        cv2.rectangle(picture, (x, y), (x + w, y + h), colour, width_px)
    return picture


def build_pyramid(picture: Frame) -> list[Frame]:
    """Return a picture at full size, half, a quarter and so on."""
    levels = [picture]
    for _ in range(LEVELS - 1):
        h, w = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA))
    return levels


def _make_card(dice: np.random.Generator, z: float, faces_wall: bool) -> Card:
    x = float(dice.choice([-1, 1]) * dice.uniform(1.3, 6.0))
    if faces_wall:
        x = float(dice.uniform(-1.5, 5.5))
    width, height = float(dice.uniform(0.3, 2.2)), float(dice.uniform(1.2, 3.2))
    seed = int(dice.integers(1 << 30))
    picture = make_texture(128, 96, seed)
    ragged = cv2.resize(np.random.default_rng(seed).normal(0, 0.25, (9, 7)), (96, 128))
    v, u = np.mgrid[-1:1:128j, -1:1:96j]
    bush = u**2 + np.where(v < 0, v**2, 0) + ragged < 0.85
    shape = np.where(bush | (dice.random() < 0.3), np.uint8(255), np.uint8(0))
    along = np.pi / 2 if faces_wall else 0.0
    return Card(x, float(z), along + float(dice.normal(0, 0.2)), width, height, picture, shape)


def _card_depth(card: Card, pose: Pose, axes: NDArray[np.float64]) -> float:
    return float((np.array([card.x, 0, card.z]) - (pose.x, 0, pose.z)) @ axes[:, 2])


def _sample_texture(picture: Frame, x: Plane, y: Plane) -> Frame:
    maps = np.asarray(x, np.float32), np.asarray(y, np.float32)
    return np.asarray(
        cv2.remap(picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.uint8
    )


def _sample_mipmaps(levels: Sequence[Frame], x: Plane, y: Plane, level: Plane) -> Frame:
    """Look a texture up at positions (n,), each at its scale, between the two nearest levels."""
    level = np.clip(level, 0, LEVELS - 1)
    total = np.zeros((len(level), 3), np.float32)
    for index, picture in enumerate(levels):
        share = np.maximum(1 - np.abs(level - index), 0)
        chosen = np.flatnonzero(share > 0)
        if not len(chosen):
            continue
        size, texels = picture.shape[0], TEXELS_PER_METRE / 2**index
        rows = -(-len(chosen) // 256)
        grid = np.zeros((2, rows * 256), np.float32)
        grid[0, : len(chosen)] = (x[chosen] * texels) % size
        grid[1, : len(chosen)] = (y[chosen] * texels) % size
        found = _sample_texture(picture, *grid.reshape(2, rows, 256)).reshape(-1, 3)[: len(chosen)]
        total[chosen] += share[chosen, None] * found
    return np.clip(np.rint(total), 0, 255).astype(np.uint8)
