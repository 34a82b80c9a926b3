"""From frames to labels."""

from outtake.inference.backend import Backend
from outtake.inference.device import resolve_device
from outtake.inference.predictor import Predictor
from outtake.inference.torch_backend import TorchBackend

__all__ = ["Backend", "Predictor", "TorchBackend", "resolve_device"]
