"""From frames to labels."""

from outtake.inference.backend import Backend, Network
from outtake.inference.calibration import training_images
from outtake.inference.device import resolve_device
from outtake.inference.labeller import Labeller
from outtake.inference.opening import open_backend
from outtake.inference.predictor import Predictor
from outtake.inference.torch_backend import TorchBackend

__all__ = [
    "Backend",
    "Labeller",
    "Network",
    "Predictor",
    "TorchBackend",
    "open_backend",
    "resolve_device",
    "training_images",
]
