"""The errors that a user can cause, one class each.

A message is one line: what is wrong, where (file, key, value), what is allowed, what to do.
The programs print it without a traceback and exit with code 2, or with a code of its own where a
sweep must tell a bad choice of options (a result) from a broken machine (a reason to try again).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class OuttakeError(Exception):
    """An error with a one-line message for the user.

    The message alone makes one of any class: so they come out of the process that raised them.
    """

    exit_code = 2

    def __str__(self) -> str:
        text = super().__str__()
        # The worker of a loader hands over its whole traceback, which ends with the message.
        if text.startswith("Caught ") and "Original Traceback" in text:
            text = re.split(r"^outtake\.[\w.]+: ", text, flags=re.MULTILINE)[-1]
        # Names and commands keep their spaces.
        lines = (line.strip() for line in text.splitlines())
        return " ".join(line for line in lines if line)


class ConfigError(OuttakeError):
    """A config option, value or combination that does not exist or cannot work."""


class ForbiddenTargetError(ConfigError):
    """A config names a ``_target_`` that is outside the allowlist."""


class DataRootError(OuttakeError):
    """A data set's folder or list is missing or not laid out as expected."""


class MissingSplitError(DataRootError):
    """A data set has no split of a name.

    Args:
        what: Which, and which it has.
        advice: What to do about it.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what}; {advice}" if advice else what)
        self.what = what


class PairingError(OuttakeError):
    """An image without its mask, or a mask without its image."""


class SizeMismatchError(OuttakeError):
    """An image and its mask differ in size."""


class LabelValueError(OuttakeError):
    """A mask holds a value or colour that is not a class."""


class UnreadableImageError(OuttakeError):
    """An image or mask file that cannot be decoded."""


class EmptySplitError(OuttakeError):
    """A split without a single sample."""


class UnknownClassError(OuttakeError):
    """A class name that the label space does not have."""


class LabelSpaceError(OuttakeError):
    """A checkpoint and a data set that do not have the same classes."""


class CheckpointError(OuttakeError):
    """A checkpoint that is missing, truncated, corrupt or not one of Outtake's."""


class WeightsError(OuttakeError):
    """Pretrained encoder weights that are missing, do not fit or do not exist."""


class VideoError(OuttakeError):
    """A video that is missing, has no video stream, or is truncated or corrupt."""


class OutputError(OuttakeError):
    """A place that cannot be written, or that already holds something."""


class RecordError(OuttakeError):
    """A file that a run or a sweep has written and that cannot be read again: it is damaged."""


class DeviceError(OuttakeError):
    """A device that this machine does not have."""


class NonFiniteLossError(OuttakeError):
    """The loss, a gradient or a weight became NaN or infinite.

    Attributes:
        facts: Plain containers for the run folder: the value, the epoch, the step, and the batch
            under ``split`` and ``samples``.
    """

    exit_code = 65

    def __init__(self, message: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.facts = dict(facts or {})


class OutOfMemoryError(OuttakeError):
    """A batch did not fit into the memory of the device or of the machine."""

    exit_code = 66


class SharedMemoryError(OuttakeError):
    """The processes of a data loader have no memory in common."""


class RankLostError(OuttakeError):
    """Another process of the same run has died or does not answer."""

    exit_code = 69


class Terminated(KeyboardInterrupt):
    """SIGTERM: everything ends in order, as at Ctrl-C, with an exit code of its own."""
