"""Run images of many sizes, where a model for each size takes longer than it saves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from threading import Lock

from outtake.inference.protocol import Images, Logits, Network

log = logging.getLogger(__name__)


class FallbackNetwork:
    """Runs images of the first few sizes with one network, and those of all others with another.

    Args:
        network: The network that prepares for each size; it may be called from several threads.
        make_fallback: Returns the network for the other sizes; called when the first such image
            comes.
        sizes: The number of sizes for the first network.
    """

    def __init__(self, network: Network, make_fallback: Callable[[], Network], sizes: int) -> None:
        self._network, self._make_fallback, self._sizes = network, make_fallback, sizes
        self._prepared: set[tuple[int, ...]] = set()
        self._lock = Lock()

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits; see :class:`outtake.inference.protocol.Network`."""
        size = images.shape[1:3]
        with self._lock:
            if len(self._prepared) < self._sizes:
                self._prepared.add(size)
            network = self._network if size in self._prepared else self._fallback
        return network(images)

    @cached_property
    def _fallback(self) -> Network:
        log.info(
            "images have more than %d sizes: those of further sizes are run by torch, without an "
            "export for each",
            self._sizes,
        )
        return self._make_fallback()
