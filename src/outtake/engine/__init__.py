"""Runs the stages of a removal: in threads, segment by segment."""

from outtake.engine.produce import Made, Produced, produce
from outtake.engine.segments import Segments, first_needed
from outtake.engine.threads import Stages, interrupts_wait, share_processor, uninterrupted

__all__ = [
    "Made", "Produced", "Segments", "Stages", "first_needed", "interrupts_wait", "produce",
    "share_processor", "uninterrupted",
]  # fmt: skip
