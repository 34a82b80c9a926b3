"""Removal by showing what other frames of the clip really saw."""

from outtake.removal.plate.remover import Plate

__all__ = ["Plate"]
