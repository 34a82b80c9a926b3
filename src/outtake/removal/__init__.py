"""Taking things out of a clip: from labels to masks, and from masks to pictures without them."""

from outtake.removal.alpha import Alpha
from outtake.removal.confidence import confidence_frame
from outtake.removal.effects import Blur, Pixelate, Solid
from outtake.removal.inpaint import Inpaint
from outtake.removal.onnx_file import Onnx
from outtake.removal.plate.remover import Plate
from outtake.removal.policy import MaskPolicy
from outtake.removal.preview import Preview
from outtake.removal.replace import Replace
from outtake.removal.report import RemovalReport
from outtake.removal.side_by_side import SideBySide
from outtake.removal.stages import Context, FrameFacts, LabelledFrame, MaskedFrame, Remover
from outtake.removal.torchscript import TorchScript
from outtake.removal.views import MaskView, Overlay

__all__ = [
    "Alpha",
    "Blur",
    "Context",
    "FrameFacts",
    "Inpaint",
    "LabelledFrame",
    "MaskPolicy",
    "MaskView",
    "MaskedFrame",
    "Onnx",
    "Overlay",
    "Pixelate",
    "Plate",
    "Preview",
    "RemovalReport",
    "Remover",
    "Replace",
    "SideBySide",
    "Solid",
    "TorchScript",
    "confidence_frame",
]
