"""Superpixels: small regions of one look, whose borders lie on the edges of the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.core.validate import check_number
from outtake.refine.join_regions import join_small, number_pieces, number_values
from outtake.refine.region_map import Ids, RegionMap

METHODS = ("watershed", "slic", "felzenszwalb")
_SLIC_ITERATIONS = 5
# SLIC looks at a picture of half the size: a quarter of the work, and as good
# (docs/results/labels.md).
_SLIC_SHRINKAGE = 2


def find_superpixels(
    image: Frame, method: str = "watershed", regions: int = 1000, least: int = 20
) -> RegionMap:
    """Divide a picture by a method of its name.

    Args:
        image: uint8 (H, W, C), grey or RGB; channels behind the third are not looked at.
        method: One of ``METHODS``.
        regions: About how many are wanted; ``felzenszwalb`` has as many as it finds.
        least: The pixels of the smallest region of ``felzenszwalb``.

    Raises:
        ConfigError: There is no such method, or a number cannot work.
    """
    if method == "watershed":
        return watershed(image, regions)
    if method == "slic":
        return slic(image, regions)
    if method == "felzenszwalb":
        return felzenszwalb(image, least=least)
    raise ConfigError(f"method={method}: unknown; use {', '.join(METHODS)}")


def watershed(image: Frame, regions: int = 1000) -> RegionMap:
    """Grow regions from a grid of seeds, each up to the edges around it.

    Meyer, "Color image segmentation", IPA 1992, as OpenCV has it: the fastest, with nearly exactly
    as many regions as are asked for, each of one piece.

    Args:
        image: uint8 (H, W, C), grey or RGB; channels behind the third are not looked at.
        regions: About how many are wanted; at most one for each pixel.
    """
    rows, columns = _grid(image, regions)
    seeds = np.zeros(image.shape[:2], np.int32)
    y, x = _centres(image.shape[0], rows), _centres(image.shape[1], columns)
    seeds[np.ix_(y, x)] = np.arange(1, rows * columns + 1).reshape(rows, columns)
    return number_values(grow_seeds(image, seeds))


def grow_seeds(image: Frame, seeds: NDArray[np.int32]) -> NDArray[np.int32]:
    """Grow seeds over the whole picture, each up to the edges around it, by Meyer's watershed.

    Args:
        image: uint8 (H, W, C), grey or RGB; channels behind the third are not looked at.
        seeds: Numbers from 1, int32 (H, W); 0 where there is no seed, but not everywhere.

    Returns:
        The number of each pixel, int32 (H, W).
    """
    # A frame of one pixel around the picture, since OpenCV leaves the rim without a region.
    seen = cv2.blur(_to_colour(image), (3, 3))
    seen = cv2.copyMakeBorder(seen, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    markers = np.pad(seeds, 1)
    cv2.watershed(seen, markers)
    found = np.ascontiguousarray(markers[1:-1, 1:-1])
    _fill_lines(found, seen[1:-1, 1:-1])
    return found


def slic(image: Frame, regions: int = 1000, compactness: float = 10) -> RegionMap:
    """Gather pixels around centres by colour and place, a few times over.

    Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", PAMI 2012,
    with a grid: a pixel chooses among the nine centres whose cells lie around it.

    Args:
        image: uint8 (H, W, C), grey or RGB; channels behind the third are not looked at.
        regions: About how many are wanted.
        compactness: The distance of colours, in Lab, that counts as much as one cell.
    """
    check_number("compactness", compactness, 0.01)
    height, width = image.shape[:2]
    half = (max(1, width // _SLIC_SHRINKAGE), max(1, height // _SLIC_SHRINKAGE))
    small = cv2.resize(_to_colour(image), half, interpolation=cv2.INTER_AREA)
    rows, columns = _grid(small, regions)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    ids = _gather(lab, rows, columns, compactness)
    area = small.shape[0] * small.shape[1] / (rows * columns)
    found = join_small(number_pieces(ids), small, max(1, int(area / 4)))
    if found.ids.shape == (height, width):
        return found
    large = cv2.resize(found.ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return number_pieces(large)


def felzenszwalb(image: Frame, scale: float = 60, least: int = 20) -> RegionMap:
    """Join pixels along a minimum spanning tree, while edges are small beside what was joined.

    Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 2004: from the
    cheapest edge on, two regions are joined if it is at most the dearest edge inside either, plus
    ``scale`` over its size. Only edges of the tree are looked at, which SciPy finds. Regions have
    sizes of their own, and the best lines.

    Args:
        image: uint8 (H, W, C), grey or RGB; channels behind the third are not looked at.
        scale: The larger, the larger the regions.
        least: The pixels of the smallest region; smaller ones join a neighbour.
    """
    check_number("scale", scale, 0)
    check_number("least", least, 1, whole=True)
    colour = _to_colour(image)
    one, other, weight = _pixel_edges(cv2.GaussianBlur(colour, (0, 0), 0.8).astype(np.float32))
    size = image.shape[0] * image.shape[1]
    # A weight of 0 would be no edge to SciPy.
    graph = coo_array((weight + np.float32(1e-3), (one, other)), (size, size)).tocsr()
    tree = minimum_spanning_tree(graph).tocoo()
    order = np.argsort(tree.data, kind="stable")
    edges = tree.row[order].tolist(), tree.col[order].tolist(), tree.data[order].tolist()
    ids = _join_along_tree(*edges, size, scale).reshape(image.shape[:2])
    return join_small(number_values(ids), colour, least)


def _grid(image: Frame, regions: int) -> tuple[int, int]:
    """Return rows and columns of a grid with about ``regions`` nearly square cells."""
    check_number("regions", regions, 1, whole=True)
    height, width = image.shape[:2]
    side = np.sqrt(height * width / regions)
    rows = int(np.clip(round(height / side), 1, min(height, regions)))
    return rows, int(np.clip(round(regions / rows), 1, width))


def _centres(length: int, count: int) -> NDArray[np.intp]:
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)


def _to_colour(image: Frame) -> Frame:
    """Return three channels, uint8 (H, W, 3), of any number."""
    if image.shape[2] >= 3:
        return np.ascontiguousarray(image[..., :3])
    return np.repeat(image[..., :1], 3, axis=2)


def _fill_lines(markers: NDArray[np.int32], image: Frame) -> None:
    """Give the lines between regions, which OpenCV marks by -1, to the most alike neighbour."""
    height, width = markers.shape
    framed = np.pad(markers, 1, constant_values=-1)
    colours = np.pad(image, ((1, 1), (1, 1), (0, 0))).astype(np.int32)
    y, x = np.nonzero(framed[1:-1, 1:-1] <= 0)
    while len(y):
        best = np.full(len(y), np.iinfo(np.int32).max)
        chosen = np.full(len(y), -1, np.int32)
        own = colours[y + 1, x + 1]
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            near = y + 1 + down, x + 1 + right
            label = framed[near]
            distance = np.abs(colours[near] - own).sum(axis=1)
            better = (label > 0) & (distance < best)
            best[better], chosen[better] = distance[better], label[better]
        framed[y + 1, x + 1] = chosen
        left = chosen <= 0
        if left.all():  # nothing but lines: a picture of few pixels
            framed[y + 1, x + 1] = np.arange(1, len(y) + 1)
            break
        y, x = y[left], x[left]
    markers[:] = framed[1 : height + 1, 1 : width + 1]


def _gather(lab: NDArray[np.float32], rows: int, columns: int, compactness: float) -> Ids:
    """Return the centre of each pixel, int32 (h, w), after a few rounds of SLIC."""
    height, width = lab.shape[:2]
    y, x = np.indices((height, width)).astype(np.float32)
    factor = np.float32(compactness / np.sqrt(height * width / (rows * columns)))
    features = np.stack([lab[..., 0], lab[..., 1], lab[..., 2], y * factor, x * factor])
    home_row = (np.arange(height) * rows // height)[:, None]
    home_column = (np.arange(width) * columns // width)[None]
    ids: Ids = (home_row * columns + home_column).astype(np.int32)
    for _ in range(_SLIC_ITERATIONS):
        flat = ids.ravel()
        size = np.maximum(np.bincount(flat, minlength=rows * columns), 1)
        sums = [np.bincount(flat, each.ravel(), rows * columns) for each in features]
        centres = (np.array(sums) / size).astype(np.float32)
        best = np.full((height, width), np.inf, np.float32)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                row = np.clip(home_row + down, 0, rows - 1)
                column = np.clip(home_column + right, 0, columns - 1)
                near = row * columns + column
                distance = np.zeros((height, width), np.float32)
                for feature, centre in zip(features, centres, strict=True):
                    step = feature - centre[near]
                    distance += step * step
                closer = distance < best
                best[closer] = distance[closer]
                ids[closer] = near[closer]
    return ids


def _pixel_edges(
    samples: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return the pairs of neighbouring pixels, of eight each, and the distance of their colours."""
    numbers = np.arange(samples.shape[0] * samples.shape[1]).reshape(samples.shape[:2])
    ones, others, weights = [], [], []
    for one, other in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]),
        (np.s_[:-1, 1:], np.s_[1:, :-1]),
    ):
        step = samples[one] - samples[other]
        ones.append(numbers[one].ravel())
        others.append(numbers[other].ravel())
        weights.append(np.sqrt((step * step).sum(axis=2)).ravel())
    return np.concatenate(ones), np.concatenate(others), np.concatenate(weights)


def _join_along_tree(
    ones: list[int], others: list[int], weights: list[float], size: int, scale: float
) -> NDArray[np.intp]:
    """Return the region of each of ``size`` pixels, numbered by a pixel in it.

    The edges come from the cheapest on. What a cheaper edge joined decides about the next, so this
    goes one by one.
    """
    parent, pixels = list(range(size)), [1] * size
    limit = [float(scale)] * size  # the dearest edge inside a region, plus scale over its size
    for one, other, weight in zip(ones, others, weights, strict=True):
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        while parent[other] != other:
            parent[other] = other = parent[parent[other]]
        if weight <= limit[one] and weight <= limit[other]:
            if pixels[one] < pixels[other]:
                one, other = other, one
            parent[other] = one
            pixels[one] += pixels[other]
            limit[one] = weight + scale / pixels[one]
    found = np.array(parent)
    while True:
        above = found[found]
        if np.array_equal(above, found):
            return found
        found = above
