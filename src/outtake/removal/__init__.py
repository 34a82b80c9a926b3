"""Taking things out of a clip: from labels to masks, and from masks to pictures without them."""

from outtake.removal.effects import Blur, Pixelate, Solid
from outtake.removal.inpaint import Inpaint
from outtake.removal.plate.remover import Plate
from outtake.removal.policy import MaskPolicy
from outtake.removal.report import RemovalReport
from outtake.removal.stages import Context, FrameFacts, LabelledFrame, MaskedFrame, Remover
from outtake.removal.views import MaskView, Overlay

__all__ = [
    "Blur",
    "Context",
    "FrameFacts",
    "Inpaint",
    "LabelledFrame",
    "MaskPolicy",
    "MaskView",
    "MaskedFrame",
    "Overlay",
    "Pixelate",
    "Plate",
    "RemovalReport",
    "Remover",
    "Solid",
]
