"""Export normalisation and network, from the pixels of a frame to logits."""

from __future__ import annotations

import os
import sys
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
        """Images uint8 (B, C, h, w) to normalised images."""


class ExportGraph(nn.Module):
    """Maps uint8 (B, h, w, C) to logits, float32 (B, h, w, classes).

    It is not the task itself, which is a Lightning module that tracers cannot walk through.
    """

    def __init__(self, task: Exportable) -> None:
        super().__init__()
        self.net = task.net
        self.normalize = task.normalize
        # Those of one label map, where the network has several.
        self._classes: slice | None = getattr(task, "shown_classes", None)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run normalisation and network; images and logits have their channels last."""
        logits: torch.Tensor = self.net(self.normalize(images.permute(0, 3, 1, 2)))
        if self._classes is not None:
            logits = logits[:, self._classes]
        return logits.float().permute(0, 2, 3, 1)


def example_input(shape: tuple[int, int, int], batch: int = 1) -> torch.Tensor:
    """Return grey images, uint8 (batch, h, w, C), with which a graph is traced."""
    return torch.full((batch, *shape), 127, dtype=torch.uint8)


def export_onnx(
    task: Exportable,
    shape: tuple[int, int, int],
    required_by: str,
    advice: str = "use backend=torch",
) -> bytes:
    """Return an ONNX model of any batch size.

    Args:
        task: The task in eval mode.
        shape: The (h, w, C) of the images.
        required_by: The option that needs the model, as the user wrote it, for the message.
        advice: What the user can do where the network cannot be exported.

    Raises:
        ConfigError: The network uses something that cannot be exported.
    """
    with (
        explain_export_errors(required_by, shape, advice),
        _discard_output(),
        tempfile.TemporaryDirectory() as folder,
    ):
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
def _discard_output() -> Iterator[None]:
    """Discard what compiled code writes to the standard output stream.

    Where torch cannot export a graph, it prints hundreds of lines of it, whatever its log level.
    """
    sys.stdout.flush()
    own = os.dup(1)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(own, 1)
        os.close(own)


@contextmanager
def explain_export_errors(
    required_by: str, shape: tuple[int, int, int], advice: str = "use backend=torch"
) -> Iterator[None]:
    """Silence the tracer, and explain its errors in one line."""
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # sizes become constants: they are, for one clip
            yield
    except OuttakeError:
        raise
    except Exception as error:  # each exporter has exceptions of its own
        raise ConfigError(
            f"{required_by}: this network cannot be exported at {shape[1]}x{shape[0]} "
            f"({type(error).__name__}: {_summarize_error(error)}); {advice}"
        ) from error


def _summarize_error(error: Exception) -> str:
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    telling = [line for line in lines if "No conversion rule" in line]
    reason = (telling or lines or [repr(error)])[0]
    # What torch asks its own users to report is of no use to ours.
    return reason.partition(". Please feel free")[0][:200]
