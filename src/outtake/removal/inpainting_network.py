"""Fill the hole with an inpainting network of the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.files import sha256_of_file
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask
from outtake.removal.per_frame import map_frames
from outtake.removal.preprocessing import Floats, Preprocessing
from outtake.removal.protocol import Remover

# What an input of a network may hold, and its number of channels.
INPUT_CHANNELS = {"image": 3, "mask": 1, "image+mask": 4, "mask+image": 4}


# A loaded network: takes arrays (1, C, h, w) in its own order and returns its first result.
RunNetwork: TypeAlias = Callable[[Sequence[Floats]], object]


class InpaintingNetwork(Remover):
    """Synthesises what is masked with a network, each frame by itself.

    The network gets a crop around each region of the hole, with the masked pixels blanked; its
    result is shown strictly inside the mask.

    Args:
        path: The file of the network.
        run: Calls the network.
        inputs: What each input of the network holds, a key of ``INPUT_CHANNELS``.
        preprocessing: How pictures are passed to the network.
        licence: The licence of the network, for the report.
        device: Where the network runs, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: The inputs do not hold image and mask; in ``fill``, the network fails or
            returns something else than a picture.
    """

    shows_background = True
    knows_origins = True

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
        self._path = path
        self._run = run
        self._inputs = tuple(inputs)
        self._preprocessing = preprocessing
        self.device = device
        self.notes = {
            "network": path.name,
            "network_sha256": sha256_of_file(path),
            "licence": licence or "not stated",
        }

    def files(self) -> tuple[Path, ...]:
        """Return the network's file."""
        return (self._path,)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its hole filled."""
        return map_frames(clip, self.fill, synthesises=True)

    def fill(self, image: Frame, mask: Mask, vague: Mask | None = None) -> Frame:
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
            # A network of the user may raise anything; its last line says most.
            reason = next((line for line in str(error).splitlines()[::-1] if line.strip()), "")
            raise ConfigError(
                f"remover.path={self._path}: the network failed on a picture of "
                f"{image.shape[3]}x{image.shape[2]} pixels ({type(error).__name__}: {reason[:200]})"
                "; check remover.inputs, size and multiple_of"
            ) from error
        if result.shape != image.shape:
            raise ConfigError(
                f"remover.path={self._path}: the network returned an array of shape "
                f"{list(result.shape)} and not {list(image.shape)}; check remover.inputs, size "
                "and multiple_of"
            )
        if not np.isfinite(result).all():
            raise ConfigError(f"remover.path={self._path}: the network returned NaN or infinity")
        return result.astype(np.float32)


def check_network_file(path: str | Path, kind: str) -> Path:
    """Return the path of a network's file.

    Args:
        path: The path as the user wrote it.
        kind: What the file must be, for the message.

    Raises:
        ConfigError: It names no file, or there is none.
    """
    if not isinstance(path, str | Path):
        raise ConfigError(f"remover.path={path}: must name a file, {kind} of your own")
    found = Path(path).expanduser()
    if not found.is_file():
        raise ConfigError(
            f"remover.path={path}: there is no such file; name {kind} of your own "
            "(nothing is downloaded)"
        )
    return found


def first_output(result: object) -> object:
    """Return the result of a network, the first one if there are several."""
    while isinstance(result, list | tuple | dict):
        entries = list(result.values()) if isinstance(result, dict) else list(result)
        if not entries:
            raise ValueError("the network returned nothing")
        result = entries[0]
    return result


def _check_inputs(inputs: Sequence[str]) -> None:
    listed = list(inputs) if isinstance(inputs, list | tuple) else []
    known = all(content in tuple(INPUT_CHANNELS) for content in listed)  # [image] has no hash
    if not known or sorted("+".join(listed).split("+")) != ["image", "mask"]:
        raise ConfigError(
            f"remover.inputs={listed or inputs}: must hold image and mask once, as two inputs or "
            "as one of image+mask or mask+image"
        )
