from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.removal.views import Overlay


def test_the_overlay_needs_labels():
    frame = TimedFrame(np.zeros((10, 10, 3), np.uint8), 0, Fraction(1, 25))
    with pytest.raises(ConfigError, match="needs labels"):
        next(Overlay()([MaskedFrame(frame, np.zeros((10, 10), bool))]))


def test_a_word_is_not_taken_for_true():
    with pytest.raises(ConfigError, match=r"^remover\.legend=off: must be true or false$"):
        Overlay(legend="off")
