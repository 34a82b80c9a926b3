"""Find a position in another frame and read its colour there, inside compiled loops.

Bicubic convolution (Keys 1981, a = -0.75 as in OpenCV) in integers, at 256 steps of a pixel, so
that the result is the same on every processor. Beyond its border a frame repeats its last pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame
from outtake.motion.homography import Homography

Flags = NDArray[np.uint8]
Floats = NDArray[np.float32]
Shades = NDArray[np.int16]

_STEP_BITS, _WEIGHT_BITS = 8, 11
_STEPS = 1 << _STEP_BITS
_HALF = 1 << 15
_FAR_PX = 1e6
# Pixels of a block lie at most so far from where the map of their tile sends them.
_SAME_STEP_PX = 0.03


def _cubic_weights() -> NDArray[np.int32]:
    """Return the weights of four pixels in a row for each step between the middle two."""
    a, x = -0.75, np.arange(_STEPS) / _STEPS
    weights = np.stack(
        [
            ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a,
            ((a + 2) * x - (a + 3)) * x * x + 1,
            ((a + 2) * (1 - x) - (a + 3)) * (1 - x) ** 2 + 1,
        ],
        axis=1,
    )
    whole = np.rint(weights * (1 << _WEIGHT_BITS)).astype(np.int32)
    return np.column_stack((whole, (1 << _WEIGHT_BITS) - whole.sum(axis=1))).astype(np.int32)


_WEIGHTS = _cubic_weights()


@compile_loop
def _to_byte(total: np.int32 | int) -> int:
    """Return a weighted sum of pixels as a pixel."""
    return min(max((int(total) + _HALF) >> 16, 0), 255)


@compile_loop
def read_brightness(brightness: Flags, x: float, y: float) -> int:
    """Return the brightness of a frame, uint8 (H, W), at a position in pixels, 0 to 255."""
    steps_x = int(np.floor(x * _STEPS + 0.5))
    steps_y = int(np.floor(y * _STEPS + 0.5))
    left, top = (steps_x >> _STEP_BITS) - 1, (steps_y >> _STEP_BITS) - 1
    across, down = _WEIGHTS[steps_x & (_STEPS - 1)], _WEIGHTS[steps_y & (_STEPS - 1)]
    height, width = brightness.shape[0], brightness.shape[1]
    total = np.int32(0)
    if left >= 0 and top >= 0 and left + 3 < width and top + 3 < height:
        for j in range(4):
            line = (
                across[0] * np.int32(brightness[top + j, left])
                + across[1] * np.int32(brightness[top + j, left + 1])
                + across[2] * np.int32(brightness[top + j, left + 2])
                + across[3] * np.int32(brightness[top + j, left + 3])
            )
            total += down[j] * (line >> 6)
    else:
        for j in range(4):
            row = min(max(top + j, 0), height - 1)
            line = np.int32(0)
            for i in range(4):
                column = min(max(left + i, 0), width - 1)
                line += across[i] * np.int32(brightness[row, column])
            total += down[j] * (line >> 6)
    return _to_byte(total)


@compile_loop
def read_colour(image: Frame, x: float, y: float) -> tuple[int, int, int]:
    """Return the colour of an image, uint8 (H, W, 3), at a position in pixels, 0 to 255 each."""
    steps_x = int(np.floor(x * _STEPS + 0.5))
    steps_y = int(np.floor(y * _STEPS + 0.5))
    left, top = (steps_x >> _STEP_BITS) - 1, (steps_y >> _STEP_BITS) - 1
    height, width = image.shape[0], image.shape[1]
    across, down = _WEIGHTS[steps_x & (_STEPS - 1)], _WEIGHTS[steps_y & (_STEPS - 1)]
    a, b, c, d = across[0], across[1], across[2], across[3]
    red, green, blue = np.int32(0), np.int32(0), np.int32(0)
    if left < 0 or top < 0 or left + 3 >= width or top + 3 >= height:
        for j in range(4):
            row = min(max(top + j, 0), height - 1)
            line_red, line_green, line_blue = np.int32(0), np.int32(0), np.int32(0)
            for i in range(4):
                column, weight = min(max(left + i, 0), width - 1), across[i]
                line_red += weight * np.int32(image[row, column, 0])
                line_green += weight * np.int32(image[row, column, 1])
                line_blue += weight * np.int32(image[row, column, 2])
            red += down[j] * (line_red >> 6)
            green += down[j] * (line_green >> 6)
            blue += down[j] * (line_blue >> 6)
        return _to_byte(red), _to_byte(green), _to_byte(blue)
    for j in range(4):
        line, weight = image[top + j], down[j]
        red += weight * (
            (a * np.int32(line[left, 0]) + b * np.int32(line[left + 1, 0])
             + c * np.int32(line[left + 2, 0]) + d * np.int32(line[left + 3, 0])) >> 6
        )  # fmt: skip
        green += weight * (
            (a * np.int32(line[left, 1]) + b * np.int32(line[left + 1, 1])
             + c * np.int32(line[left + 2, 1]) + d * np.int32(line[left + 3, 1])) >> 6
        )  # fmt: skip
        blue += weight * (
            (a * np.int32(line[left, 2]) + b * np.int32(line[left + 1, 2])
             + c * np.int32(line[left + 2, 2]) + d * np.int32(line[left + 3, 2])) >> 6
        )  # fmt: skip
    return (
        _to_byte(red),
        _to_byte(green),
        _to_byte(blue),
    )


@compile_loop
def choose_block(place: Floats, side: int) -> int:
    """Return the side of the blocks of a tile whose pixels lie one pixel apart in another frame.

    Args:
        place: Where the centre of the tile lies there, and the Jacobian, (6,).
        side: The side of the tile in pixels.

    Returns:
        The side of the tile, or a half of it, and so on, the less the more the map turns and
        stretches; at least 1.
    """
    across = abs(place[2] - 1) + abs(place[3])
    down = abs(place[4]) + abs(place[5] - 1)
    block = side
    while block > 1 and max(across, down) * (block - 1) > 2 * _SAME_STEP_PX:
        block //= 2
    return block


@compile_loop
def read_tile(
    image: Frame,
    rows: Flags,
    place: Floats,
    side: int,
    block: int,
    lines: NDArray[np.int32],
    colours: Shades,
) -> None:
    """Read the colours of a tile in an image, block by block.

    The pixels of a block share the weights of one position, which a processor reads many at once.

    Args:
        image: The image, (H, W, 3).
        rows: The same with the colours of a row one behind the other, (H, 3 * W).
        place: Where the centre of the tile lies in it, and the Jacobian, (6,).
        side: The side of the tile in pixels.
        block: That of a block, as :func:`choose_block` returns it.
        lines: Room for what is between, (side + 3, 3 * side); overwritten.
        colours: The colours row by row, 0 to 255; written, (side, 3 * side).
    """
    half, half_block = (side - 1) / 2, (block - 1) / 2
    height, width = image.shape[0], image.shape[1]
    for down in range(0, side, block):
        for across in range(0, side, block):
            dx, dy = across + half_block - half, down + half_block - half
            x = place[0] + place[2] * dx + place[3] * dy - half_block
            y = place[1] + place[4] * dx + place[5] * dy - half_block
            steps_x = int(np.floor(x * _STEPS + 0.5))
            steps_y = int(np.floor(y * _STEPS + 0.5))
            left, top = (steps_x >> _STEP_BITS) - 1, (steps_y >> _STEP_BITS) - 1
            fits = left >= 0 and top >= 0 and left + block + 3 <= width
            if block > 1 and fits and top + block + 3 <= height:
                weights = _WEIGHTS[steps_x & (_STEPS - 1)], _WEIGHTS[steps_y & (_STEPS - 1)]
                _read_block(
                    rows, left, top, block, weights[0], weights[1], lines, colours, down, across
                )
                continue
            for j in range(block):
                for i in range(block):
                    found = read_colour(image, x + i, y + j)
                    for c in range(3):
                        colours[down + j, 3 * (across + i) + c] = found[c]


@compile_loop
def _read_block(
    rows: Flags,
    left: int,
    top: int,
    block: int,
    across: NDArray[np.int32],
    along: NDArray[np.int32],
    lines: NDArray[np.int32],
    colours: Shades,
    row_into: int,
    column_into: int,
) -> None:
    """Read a block of pixels, one pixel apart, with the same weights across and down.

    It is written into the colours of a tile, beginning at a row and a column. Their rows are slices
    of one array: the compiler knows that they have no gaps, and writes many values at once.
    """
    length = 3 * block
    a, b, c, d = across[0], across[1], across[2], across[3]
    for row in range(block + 3):
        source = rows[top + row, 3 * left : 3 * left + length + 9]
        line = lines[row]
        for i in range(length):
            line[i] = (
                a * np.int32(source[i])
                + b * np.int32(source[i + 3])
                + c * np.int32(source[i + 6])
                + d * np.int32(source[i + 9])
            ) >> 6
    a, b, c, d = along[0], along[1], along[2], along[3]
    for row in range(block):
        first, second, third, last = lines[row], lines[row + 1], lines[row + 2], lines[row + 3]
        into = colours[row_into + row, 3 * column_into : 3 * column_into + length]
        for i in range(length):
            total = a * first[i] + b * second[i] + c * third[i] + d * last[i]
            shade = (total + np.int32(_HALF)) >> 16
            into[i] = np.int16(min(max(shade, np.int32(0)), np.int32(255)))


@compile_loop
def is_known(brightness: Flags, x: float, y: float) -> bool:
    """Return True if the nearest pixel of a frame lies in it and is known; see BufferedFrame."""
    column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    if column < 0 or row < 0 or column >= brightness.shape[1] or row >= brightness.shape[0]:
        return False
    return bool(brightness[row, column] & 1)


@compile_loop
def project(homography: Homography, x: float, y: float) -> tuple[float, float]:
    """Return where a homography sends a position; what is behind the camera goes far away."""
    depth = homography[2, 0] * x + homography[2, 1] * y + homography[2, 2]
    inverse = 1.0 / max(depth, 1e-4)
    there_x = (homography[0, 0] * x + homography[0, 1] * y + homography[0, 2]) * inverse
    there_y = (homography[1, 0] * x + homography[1, 1] * y + homography[1, 2]) * inverse
    return min(max(there_x, -_FAR_PX), _FAR_PX), min(max(there_y, -_FAR_PX), _FAR_PX)
