"""What is exported: normalisation and network, from the pixels of a frame to logits."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from outtake.core.errors import ConfigError, OuttakeError


class Exportable(Protocol):
    """The parts of a segmentation task that are exported."""

    @property
    def net(self) -> Any:
        """Normalised images (B, C, h, w) to logits (B, classes, h, w)."""

    @property
    def normalize(self) -> Any:
        """Images uint8 (B, C, h, w) to what the network takes."""


class ExportGraph(nn.Module):
    """Maps uint8 (B, h, w, C) to logits, float32 (B, h, w, classes).

    Not the task itself: that is a Lightning module, which tracers can not walk through.
    """

    def __init__(self, task: Exportable) -> None:
        super().__init__()
        self.net = task.net
        self.normalize = task.normalize

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run normalisation and network; maps have their channels last at both ends."""
        logits: torch.Tensor = self.net(self.normalize(images.permute(0, 3, 1, 2)))
        return logits.float().permute(0, 2, 3, 1)


def example_input(shape: tuple[int, int, int], batch: int = 1) -> torch.Tensor:
    """Return grey images, uint8 (batch, h, w, C), to trace a graph with."""
    return torch.full((batch, *shape), 127, dtype=torch.uint8)


def export_onnx(task: Exportable, shape: tuple[int, int, int], backend: str) -> bytes:
    """Return an ONNX model of any batch size.

    Args:
        task: in eval mode.
        shape: (h, w, C) of the images.
        backend: that needs it, for the message.

    Raises:
        ConfigError: the network uses something that can not be exported.
    """
    with explain_export_errors(backend, shape), tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        torch.onnx.export(
            ExportGraph(task).eval().cpu(),
            (example_input(shape, 2),),
            file,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
            dynamo=False,
        )
        return file.read_bytes()


@contextmanager
def explain_export_errors(backend: str, shape: tuple[int, int, int]) -> Iterator[None]:
    """Quieten the tracer, and turn what it raises into one line."""
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # sizes become constants: they are, for one clip
            yield
    except OuttakeError:
        raise
    except Exception as error:  # each exporter has exceptions of its own
        raise ConfigError(
            f"backend={backend}: this network can not be exported at {shape[1]}x{shape[0]} "
            f"({type(error).__name__}: {_summarize_error(error)}); use backend=torch"
        ) from error


def _summarize_error(error: Exception) -> str:
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    telling = [line for line in lines if "No conversion rule" in line]
    return (telling or lines or [repr(error)])[0][:200]
