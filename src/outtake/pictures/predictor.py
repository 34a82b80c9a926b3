"""Label pictures that are arrays: the network of a checkpoint as a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import cv2
import numpy as np
import torch

from outtake.config.build_refiner import build_refiner
from outtake.config.load_ensemble import Trained, load_one_or_several, with_short_side
from outtake.config.schema import Form, Node, OtherKeys, parse
from outtake.config.shared_schema import NetworkOptions
from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.core.oom import explain_backend_oom
from outtake.core.validate import check_number
from outtake.data.resize import resize_short_side
from outtake.inference.open_backend import open_backend
from outtake.inference.protocol import Backend, Confidences, Images
from outtake.pictures.prediction import Prediction
from outtake.pipeline.network_setup import calibration_images


@dataclass(frozen=True, kw_only=True)
class _BackendOptions:
    name: str = "auto"
    options: Annotated[Mapping[str, Any], OtherKeys()]


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What the arguments of :meth:`Predictor.from_checkpoint` may be: as on the command line."""

    device: Annotated[str, Form("auto, cpu, cuda or cuda:INDEX")]
    backend: _BackendOptions
    network: NetworkOptions
    refine: Node | None
    confidence: bool
    label_map: str | None


class Predictor:
    """Labels pictures at their own size.

        predictor = Predictor.from_checkpoint("runs/NAME")
        prediction = predictor(picture)  # uint8 (H, W, 3), RGB
        car = prediction.labels == prediction.label_space.names.index("car")

    Args:
        trained: The checkpoint, or several that are averaged; its ``short_side`` is the size that
            the network sees.
        backend: The backend that runs its network.
        batch_size: The number of pictures of one size for the network at a time.

    Raises:
        ConfigError: The batch is below 1.
    """

    def __init__(self, trained: Trained, backend: Backend, batch_size: int = 4) -> None:
        check_number("network.batch_size", batch_size, 1, whole=True)
        self.trained = trained
        self.batch_size = batch_size
        self._backend = backend

    @classmethod
    def from_checkpoint(
        cls,
        run_or_file: str | Path | Sequence[str],
        *,
        device: str | torch.device = "auto",
        backend: Mapping[str, Any] | None = None,
        precision: str = "auto",
        short_side: int | None = None,
        batch_size: int = 4,
        flip: bool | Literal["auto"] = "auto",
        scales: Sequence[float] = (1.0,),
        window: int | Sequence[int] | None = None,
        overlap: float = 0.25,
        refine: Mapping[str, Any] | None = None,
        confidence: bool = True,
        label_map: str | None = None,
    ) -> Self:
        """Load a checkpoint; the options are those of ``conf/shared/network.yaml``.

        Args:
            run_or_file: A run folder, a ``.ckpt`` file, or a ``.zip`` of ``outtake export``; or a
                list of these, whose probabilities are averaged.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<index>``.
            backend: ``name`` and options of the backend, as in ``conf/backend``; None is ``auto``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``.
            short_side: The shorter side to which pictures are resized for the network; None is
                that of training.
            batch_size: The number of pictures for the network at a time.
            flip: Average with the mirrored picture; ``auto``: of a network of one clip.
            scales: Average over these factors of the size.
            window: Cover large pictures with windows of this size in pixels.
            overlap: The share of a window that its neighbour covers too.
            refine: The target and options of a refiner, as in ``conf/refine``; None is what was
                exported with the checkpoint.
            confidence: Compute the probability of each label too.
            label_map: The further label map that is given; None for that of the masks.

        Raises:
            OuttakeError: The checkpoint cannot be loaded, or an option cannot work.
        """
        given = _to_plain(
            {
                "device": device,
                "backend": {} if backend is None else backend,
                "network": {
                    "short_side": short_side,
                    "flip": flip,
                    "scales": scales,
                    "window": window,
                    "overlap": overlap,
                    "precision": precision,
                    "batch_size": batch_size,
                },
                "refine": refine,
                "confidence": confidence,
                "label_map": label_map,
            }
        )
        asked = parse(_Options, given)
        named = str(run_or_file) if isinstance(run_or_file, Path) else run_or_file
        device_there = resolve_device(asked.device)
        trained = load_one_or_several(named, device_there, label_map=asked.label_map)
        trained = with_short_side(trained, asked.network.short_side)
        opened = open_backend(
            asked.backend.name,
            trained,
            device=asked.device,
            precision=asked.network.precision,
            confidence=asked.confidence,
            **asked.network.passes(of_one_clip=trained.clip is not None),
            refiner=build_refiner(asked.refine, trained),
            calibration=lambda: calibration_images(trained),
            **asked.backend.options,
        )
        return cls(trained, opened, asked.network.batch_size)

    @property
    def label_space(self) -> LabelSpace:
        """The classes."""
        return self.trained.labels

    def __call__(self, pictures: Images) -> Prediction:
        """Label one picture, or a batch of pictures of one size.

        Args:
            pictures: uint8 (H, W, C) or (B, H, W, C) with as many channels as the network takes,
                RGB where these are 3. RGB is made grey for a network of 1 channel.

        Raises:
            ConfigError: The array is of another type or shape.
            OutOfMemoryError: It does not fit into memory.
        """
        batch = self._check(pictures)
        size = (batch.shape[1], batch.shape[2])
        prepared = [self._prepare(picture) for picture in batch]
        labels, confidences = [], []
        for start in range(0, len(prepared), self.batch_size):
            seen = np.stack(prepared[start : start + self.batch_size])
            with explain_backend_oom(self._backend, len(seen), seen.shape[1:3], size):
                found, confidence = self._backend(seen, size)
            labels.append(found)
            confidences.append(confidence)
        sure = _join(confidences)
        joined = np.concatenate(labels)
        if pictures.ndim == 3:
            return Prediction(joined[0], None if sure is None else sure[0], self.label_space)
        return Prediction(joined, sure, self.label_space)

    def _check(self, pictures: Images) -> Images:
        """Return a batch of pictures, or say what is wrong with an array."""
        if not isinstance(pictures, np.ndarray) or pictures.dtype != np.uint8:
            what = getattr(pictures, "dtype", type(pictures).__name__)
            raise ConfigError(f"pictures are arrays of uint8, not {what}; scale them to 0 to 255")
        channels = self.trained.channels
        allowed = {channels, 3} if channels == 1 else {channels}
        if pictures.ndim not in (3, 4) or pictures.shape[-1] not in allowed or not pictures.size:
            raise ConfigError(
                f"an array of shape {pictures.shape} is no picture for this network: give "
                f"(H, W, {channels}), or (B, H, W, {channels}) with at least one"
            )
        return pictures if pictures.ndim == 4 else pictures[None]

    def _prepare(self, picture: Images) -> Images:
        if self.trained.short_side is not None:
            picture = resize_short_side(picture, self.trained.short_side)
        if self.trained.channels == 1 and picture.shape[2] == 3:
            picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))[..., None]
        return picture


def _to_plain(value: Any) -> Any:
    """Return a device and values of NumPy as a config has them: text, numbers and lists."""
    if isinstance(value, Mapping):
        return {key: _to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(each) for each in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, torch.device) else value


def _join(confidences: Sequence[Confidences | None]) -> Confidences | None:
    found = [each for each in confidences if each is not None]
    return np.concatenate(found) if found else None
