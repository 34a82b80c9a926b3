"""Fill the hole with a network of the user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask
from outtake.removal.per_frame import map_frames
from outtake.removal.preprocessing import Floats, Preprocessing
from outtake.removal.protocol import Remover

# What an input of a network may hold, and how many channels that has.
INPUT_CHANNELS = {"image": 3, "mask": 1, "image+mask": 4, "mask+image": 4}


# A loaded network: takes arrays (1, C, h, w) in its own order, returns its first result.
RunNetwork: TypeAlias = Callable[[Sequence[Floats]], object]


class InpaintingNetwork(Remover):
    """Makes up what is masked with a network, each frame by itself.

    The network sees a crop around each part of the hole; its result is shown strictly inside the
    mask. What is hidden never reaches it.

    Args:
        path: its file.
        run: calls it.
        inputs: what each of its inputs holds, one of ``INPUT_CHANNELS``.
        preprocessing: how pictures are handed over.
        licence: under which it may be used; goes into the report.
        device: where it runs, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: inputs that do not hold image and mask; in ``fill``, a network that fails or
            gives something else than a picture.
    """

    def __init__(
        self,
        path: Path,
        run: RunNetwork,
        inputs: Sequence[str],
        preprocessing: Preprocessing,
        *,
        licence: str,
        device: str,
    ) -> None:
        _check_inputs(inputs)
        self._path, self._run, self._inputs, self._preprocessing = (
            path,
            run,
            tuple(inputs),
            preprocessing,
        )
        self.device = device
        self.notes = {
            "network": path.name,
            "network_sha256": _sha256(path),
            "licence": licence or "not stated",
        }

    def files(self) -> tuple[Path, ...]:
        """Return the network's file."""
        return (self._path,)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its hole filled."""
        return map_frames(clip, self.fill, synthesises=True)

    def fill(self, image: Frame, mask: Mask) -> Frame:
        """Return a copy of an RGB image with its hole filled; grey where all of it is hole."""
        return self._preprocessing.fill(image, mask, self._run_network)

    def _run_network(self, image: Floats, mask: Floats) -> Floats:
        parts = {"image": image, "mask": mask}
        inputs = [
            np.concatenate([parts[part] for part in content.split("+")], axis=1)
            for content in self._inputs
        ]
        try:
            result = np.asarray(self._run(inputs))
        except Exception as error:
            # Of a foreign network anything may come, and its first line says most of it.
            reason = next((line for line in str(error).splitlines()[::-1] if line.strip()), "")
            raise ConfigError(
                f"remover.path={self._path}: the network failed on a picture of "
                f"{image.shape[3]}x{image.shape[2]} pixels ({type(error).__name__}: {reason[:200]})"
                "; check remover.inputs, size and multiple_of"
            ) from error
        if result.shape != image.shape:
            raise ConfigError(
                f"remover.path={self._path}: the network gave an array of shape "
                f"{list(result.shape)} and not {list(image.shape)}; check remover.inputs, size "
                "and multiple_of"
            )
        if not np.isfinite(result).all():
            raise ConfigError(f"remover.path={self._path}: the network gave what is no number")
        return result.astype(np.float32)


def check_network_file(path: str | Path, kind: str) -> Path:
    """Return the path of a network.

    Raises:
        ConfigError: there is no such file.
    """
    found = Path(path).expanduser()
    if not found.is_file():
        raise ConfigError(
            f"remover.path={path}: there is no such file; name {kind} of your own "
            "(nothing is downloaded)"
        )
    return found


def first_output(result: object) -> object:
    """Return what a network gives, the first thing if these are several."""
    while isinstance(result, list | tuple | dict):
        entries = list(result.values()) if isinstance(result, dict) else list(result)
        if not entries:
            raise ValueError("the network gave nothing")
        result = entries[0]
    return result


def _check_inputs(inputs: Sequence[str]) -> None:
    known = all(content in INPUT_CHANNELS for content in inputs)
    parts = sorted("+".join(inputs).split("+"))
    if not known or parts != ["image", "mask"]:
        raise ConfigError(
            f"remover.inputs={list(inputs)}: must hold image and mask once, as two inputs or "
            "as one of image+mask or mask+image"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
