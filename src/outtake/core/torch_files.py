"""Files of torch.save: read as plain data, and what is wrong with one that cannot be read."""

from __future__ import annotations

import re
import string
import threading
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.serialization import safe_globals

SAVE_ALONE = "save its state dict alone, as by torch.save(net.state_dict(), FILE)"
_FETCH_AGAIN = "fetch it again"
_GIVE_WEIGHTS = "give a file of weights (.pth, .safetensors)"

_ZIP_START = b"PK\x03\x04"
# What torch.save wrote before there were zips: a number of its own, pickled.
_LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_PICKLE_START = b"\x80"
_LFS_START = b"version https://git-lfs"
_HEAD_BYTES = 1024
_HEADER_BYTES = 8  # of a file of safetensors, before its JSON: the length of that
_TEXT_BYTES = frozenset(string.printable.encode()) | frozenset(range(0x80, 0x100))
# Types of data that programs keep beside weights: options, paths, times, scores. None of them is
# ever loaded: what a file has of them becomes a :class:`_OmittedObject`. What these build from are
# here too, such as the types of numbers.
_OMITTED_NAMES = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"builtins.{name}" for name in ("bool", "bytes", "dict", "float", "int", "list", "str")),
    *(f"builtins.{name}" for name in ("frozenset", "tuple")),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(
        f"{module}.{kind}{system}Path"
        for module in ("pathlib", "pathlib._local")  # as Python 3.13 has it
        for kind in ("", "Pure")
        for system in ("Posix", "Windows")
    ),
    "numpy.dtype",
    "numpy.ndarray",
    *(
        f"numpy.{core}.multiarray.{name}"
        for core in ("core", "_core")  # NumPy 1 and 2
        for name in ("scalar", "_reconstruct")
    ),
    "typing.Any",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.nodes.AnyNode",
)
# How the unpickler of torch names a class or function that it does not load.
_GLOBAL = re.compile(r"GLOBAL ([A-Za-z_][\w.]{0,99})")


class Fault(NamedTuple):
    """What is wrong with a file.

    Attributes:
        what: The fault, as it follows the name of the file.
        remedy: What to do about it where any file of weights would do.
        has_objects: Whether the file is whole, but holds what is never loaded.
    """

    what: str
    remedy: str
    has_objects: bool = False


class _OmittedObject:
    """Stands for an object that is not loaded: holds nothing and does nothing."""

    def __init__(self, *_: object) -> None:
        """Take what the object would be made of, and drop it."""

    def __setstate__(self, state: object) -> None:
        """Take what the object would hold, and drop it."""


class _PlainDict:
    """Stands for a ``defaultdict``: what is built of it is a dict."""

    # It stands in for a class, but makes none of its own objects.
    def __new__(cls, *_: object) -> dict[object, object]:  # type: ignore[misc]
        """Return an empty dict, which the file then fills."""
        return {}


_STAND_INS: list[Any] = [
    *((_OmittedObject, name) for name in _OMITTED_NAMES),
    (_PlainDict, "collections.defaultdict"),
]
# The list of torch is one for all threads: who ends first would take it from the others, and who
# reads strictly must not see it.
_stand_ins_lock = threading.RLock()


def read_plain_beside_records(path: Path) -> Any:
    """Read tensors and plain containers as :func:`read_plain` does, beside a few types of data.

    Files of weights of other programs often hold their options too, as an ``argparse.Namespace``.
    Objects of a few types that are only data are passed over, and all others refused. Nothing of
    any is called: in their place there are objects that hold nothing, since even a type of data may
    do more than hold it where a file decides on its arguments.

    Raises:
        Exception: Of nearly any kind; :func:`find_fault` says in words what is wrong.
    """
    with _stand_ins_lock, safe_globals(_STAND_INS):
        return read_plain(path)


def read_plain(path: Path, map_location: str = "cpu") -> Any:
    """Read tensors and plain containers from a file of torch.save; no object is unpickled.

    Raises:
        Exception: Of nearly any kind; :func:`find_fault` says in words what is wrong.
    """
    with _stand_ins_lock, warnings.catch_warnings():
        # They speak to who calls torch.load, of how to call it.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location=map_location, weights_only=True)


def is_legacy(path: Path) -> bool:
    """Return whether a file is of torch.save as it was before 1.6, which wrote no zips."""
    with path.open("rb") as file:
        return file.read(len(_LEGACY_START)) == _LEGACY_START


def find_fault(path: Path, error: Exception | None = None) -> Fault:
    """Return what is wrong with a file of weights that could not be read.

    The text of torch is for programmers, has a dozen sentences and advises to load without care,
    so that none of it is passed on but the name of a class that the file holds.

    Args:
        path: The file, of torch.save or of safetensors.
        error: What reading it has raised; None if it was not tried.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if error is None and head.startswith(_LEGACY_START):
            return Fault("is of torch.save before 1.6", "save it anew")
        return _find_fault(path, head, "" if error is None else str(error))
    except OSError as failure:
        reason = failure.strerror or type(failure).__name__
        return Fault(f"cannot be read ({reason})", "see that it can be, or give another")


def _find_fault(path: Path, head: bytes, said: str) -> Fault:
    if not head:
        return Fault("is empty", _FETCH_AGAIN)
    if head.startswith(_LFS_START):
        return Fault("is a pointer of Git LFS and not the file itself", "run git lfs pull")
    if all(byte in _TEXT_BYTES for byte in head):
        if b"<html" in head.lower() or b"<!doctype html" in head.lower():
            return Fault("is an HTML page, not weights", "fetch the file itself")
        return Fault("is text, not weights", _GIVE_WEIGHTS)
    of_torch = head.startswith((_ZIP_START, _LEGACY_START))
    if path.suffix == ".safetensors":
        if of_torch:
            return Fault("is no file of safetensors but one of torch.save", "name it .pth")
        return Fault("is truncated or altered, or no file of safetensors", _FETCH_AGAIN)
    if head[_HEADER_BYTES : _HEADER_BYTES + 2] == b'{"':
        return Fault("is a file of safetensors", "name it .safetensors")
    if head.startswith(_ZIP_START):
        return _find_fault_of_zip(path, said)
    found = _GLOBAL.search(said)
    if found is not None and head.startswith(_PICKLE_START):
        return _make_objects_fault(found[1])
    if head.startswith(_LEGACY_START):
        return Fault("is truncated or altered", _FETCH_AGAIN)
    return Fault("is no file that torch.save wrote", _GIVE_WEIGHTS)


def _find_fault_of_zip(path: Path, said: str) -> Fault:
    damaged = Fault("is truncated or altered", _FETCH_AGAIN)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
            if archive.testzip() is not None:
                return damaged
    # A damaged archive may raise nearly anything on the way.
    except Exception:
        return damaged
    if "constants.pkl" in names:
        return Fault("is a TorchScript archive, which holds a program", SAVE_ALONE, True)
    if "data.pkl" not in names:
        return Fault("is a zip of something else than weights", _GIVE_WEIGHTS)
    found = _GLOBAL.search(said)
    return _make_objects_fault("" if found is None else found[1])


def _make_objects_fault(name: str) -> Fault:
    named = f" ({name})" if name else ""
    return Fault(f"holds objects{named}, and only tensors are ever loaded", SAVE_ALONE, True)
