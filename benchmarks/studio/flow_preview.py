"""How well and how fast labels of five frames are carried to the others of a clip.

On ``tennis`` of ``OUTTAKE_DATA``, 70 frames of 432x240 with the true masks of frames 0, 17, 34, 51
and 69: the overlap (IoU) of what is carried with the true masks, and the processor time a pair of
frames takes, flow both ways, warping and merging. Exits with 1 if that is more than 40 ms.

    OUTTAKE_DATA=PATH python -m benchmarks.studio.flow_preview
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import pairwise

import cv2
import numpy as np

from benchmarks.clips import data_folder
from benchmarks.studio.clip_in_browser import machine
from outtake.studio.flow_carrying import carry_labels, enlarge_labels

LABELLED = (0, 17, 34, 51, 69)
MOST_MS = 40.0


def main() -> int:
    """Measure and say; return 1 if it is slower than asked."""
    cv2.setNumThreads(1)
    folder = data_folder() / "tennis"
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted((folder / "frames").iterdir())]
    masks = [
        (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127).astype(np.uint8)
        for path in sorted((folder / "masks").iterdir())
    ]
    overlaps, pairs, begun_s = [], 0, time.process_time()
    carried = []
    for first, last in pairwise(LABELLED):
        frames = [np.ascontiguousarray(image) for image in images[first : last + 1]]
        found = carry_labels(frames, masks[first], masks[last])
        carried += [(first + place, labels) for place, labels in found]
        pairs += last - first
    taken_ms = 1_000 * (time.process_time() - begun_s) / pairs
    for number, labels in carried:
        mask, wanted = enlarge_labels(labels, masks[number].shape) == 1, masks[number] == 1
        overlaps.append((mask & wanted).sum() / (mask | wanted).sum())
    print(machine())
    print(
        f"{len(overlaps)} frames: IoU {100 * statistics.mean(overlaps):.1f} in the mean, "
        f"{100 * min(overlaps):.1f} at worst; {taken_ms:.1f} ms of processor time a pair of frames"
    )
    return 0 if taken_ms <= MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
