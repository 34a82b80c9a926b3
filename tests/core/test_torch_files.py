"""What is wrong with a file of weights is said in a few words, none of them torch's."""

from __future__ import annotations

import argparse
import builtins
import collections
import datetime
import io
import os
import pickle
import re
import threading
import types
from collections.abc import Callable
from pathlib import Path, PosixPath, PureWindowsPath

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch.serialization import get_safe_globals

from outtake.core.torch_files import find_fault, read_plain, read_plain_beside_records

STATE = {"conv.weight": torch.ones(500), "conv.bias": torch.ones(2)}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"conv.weight")] = 0xFF
    path.write_bytes(bytes(data))


def save_and(change, **options):
    def write(path: Path) -> None:
        torch.save(STATE, path, **options)
        change(path)

    return write


def save_with(beside: object, **options):
    return lambda path: torch.save({"state_dict": STATE, "args": beside}, path, **options)


def save_script(path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "what", "has_objects"),
    [
        (lambda path: path.write_bytes(b""), "is empty", False),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
            "LFS",
            False,
        ),
        (lambda path: path.write_text("<!DOCTYPE html><html></html>"), "is an HTML page", False),
        (lambda path: path.write_text("{}"), "is text", False),
        (lambda path: save_file(STATE, path), "is a file of safetensors", False),
        (lambda path: path.write_bytes(pickle.dumps(np.zeros(3))), "no file that torch", False),
        (lambda path: path.write_bytes(b"\x00\x01" * 99), "no file that torch.save wrote", False),
        (lambda path: np.savez(path.open("wb"), a=np.zeros(3)), "a zip of something else", False),
        (save_and(cut), "is truncated or altered", False),
        (save_and(alter), "is truncated or altered", False),
        (save_and(cut, _use_new_zipfile_serialization=False), "is truncated or altered", False),
        (save_with(argparse.Namespace(a=1)), r"holds objects \(argparse.Namespace\)", True),
        (
            save_with(argparse.Namespace(a=1), _use_new_zipfile_serialization=False),
            r"holds objects \(argparse.Namespace\)",
            True,
        ),
        (save_with(np.zeros(3)), r"holds objects \(numpy\.[\w.]+\)", True),
        (save_script, "is a TorchScript archive", True),
    ],
)
def test_each_kind_of_fault_has_words_of_its_own(write, what, has_objects, tmp_path, recwarn):
    path = tmp_path / "weights.pth"
    write(path)
    recwarn.clear()
    with pytest.raises(Exception) as caught:
        read_plain(path)
    fault = find_fault(path, caught.value)
    assert re.search(what, fault.what) and fault.has_objects is has_objects
    said = f"{fault.what}; {fault.remedy}"
    assert len(said) < 200 and said.isprintable() and "weights_only" not in said
    assert not recwarn.list


@pytest.mark.parametrize(
    ("write", "what"),
    [
        (lambda path: path.write_bytes(b"\x05" * 4), "is truncated or altered"),
        (lambda path: torch.save(STATE, path), "no file of safetensors but one of torch.save"),
    ],
)
def test_files_of_safetensors_are_told_apart_too(write, what, tmp_path: Path) -> None:
    write(tmp_path / "weights.safetensors")
    assert what in find_fault(tmp_path / "weights.safetensors").what


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    assert find_fault(tmp_path).what == "cannot be read (Is a directory)"


RECORDS = {
    "namespace": argparse.Namespace(lr=0.1, within=argparse.Namespace(path=Path("x"))),
    "simple namespace": types.SimpleNamespace(a=[1]),
    "ordered": collections.OrderedDict(a=1),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "path": Path("x/y"),
    "path of windows": PureWindowsPath("x"),
    "score of numpy": np.float64(0.5),
    "array of numpy": np.zeros(3),
    "time": datetime.datetime.now(datetime.UTC),
    "duration": datetime.timedelta(1),
    "config": OmegaConf.create({"a": [1, {"b": "x"}], "c": None}),
}


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS.keys())
def test_types_of_data_beside_tensors_are_passed_over(record, is_zip, tmp_path: Path) -> None:
    path, allowed = tmp_path / "weights.pth", set(map(str, get_safe_globals()))
    save_with(record, _use_new_zipfile_serialization=is_zip)(path)
    found = read_plain_beside_records(path)
    assert all(torch.equal(found["state_dict"][name], value) for name, value in STATE.items())
    assert type(found["args"]) is not type(record) or isinstance(record, dict)
    assert set(map(str, get_safe_globals())) == allowed, "allowed for this file alone"


def test_a_dict_with_defaults_is_a_dict_of_its_tensors(tmp_path: Path) -> None:
    state = collections.defaultdict(dict, model=collections.defaultdict(None, STATE))
    torch.save(state, tmp_path / "weights.pth")
    found = read_plain_beside_records(tmp_path / "weights.pth")
    assert type(found) is dict and type(found["model"]) is dict
    assert found["model"].keys() == STATE.keys()


class Calling:
    """Is a call of a function when it is unpickled."""

    def __init__(self, function: Callable, *args: object, state: object = None) -> None:
        self.call, self.state = (function, args), state

    def __reduce__(self):
        return self.call if self.state is None else (*self.call, self.state)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda mark: Calling(os.system, f"touch {mark}"), "posix.system"),
        (lambda mark: Calling(builtins.getattr, Path(mark), "touch"), "getattr"),
        (lambda mark: Calling(builtins.eval, f"open({str(mark)!r}, 'w')"), "eval"),
        (lambda mark: Calling(io.open, str(mark), "w"), r"io\.open|_io\.open"),
        # What a type of data holds is looked at as anything else is.
        (lambda mark: argparse.Namespace(a=Calling(os.system, f"touch {mark}")), "posix.system"),
        (
            lambda mark: Calling(argparse.Namespace, state={"a": Calling(os.mkdir, str(mark))}),
            "posix.mkdir",
        ),
        (lambda mark: collections.defaultdict(os.getcwd), "posix.getcwd"),
        (lambda mark: torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    ],
)
def test_everything_else_is_refused_and_nothing_of_it_is_called(make, name, is_zip, tmp_path):
    path, mark = tmp_path / "weights.pth", tmp_path / "called"
    save_with(make(mark), _use_new_zipfile_serialization=is_zip)(path)
    with pytest.raises(Exception) as caught:
        read_plain_beside_records(path)
    fault = find_fault(path, caught.value)
    assert re.search(rf"^holds objects \(({name})\)", fault.what), fault.what
    assert fault.has_objects and not mark.exists()


def test_no_type_of_data_is_made_or_called_whatever_a_file_says(tmp_path: Path) -> None:
    mark = tmp_path / "called"
    calls = [
        Calling(PosixPath, str(mark)),
        Calling(np.dtype, "O"),
        Calling(np.ndarray, (10**15,)),  # which no memory holds
        Calling(bytes, 10**15),
        Calling(list, "abc", state={"__class__": 1}),
        Calling(argparse.Namespace, 1, 2, state=({"__class__": 1}, {"__dict__": 2})),
        # Calls what it is given, with what it is given.
        Calling(torch._tensor._rebuild_from_type_v2, PosixPath, PosixPath, (str(mark),), {}),
    ]
    for call in calls:
        save_with(call)(tmp_path / "weights.pth")
        try:
            found = read_plain_beside_records(tmp_path / "weights.pth")["args"]
        except (AttributeError, TypeError, RuntimeError, ValueError):
            continue
        assert type(found).__name__ == "_OmittedObject"


def test_what_one_thread_passes_over_another_still_refuses(tmp_path, monkeypatch):
    save_with(argparse.Namespace(lr=0.1))(tmp_path / "weights.pth")
    found, inside, load = [], [], torch.load

    def read_strictly() -> None:
        with pytest.raises(pickle.UnpicklingError):
            read_plain(tmp_path / "weights.pth")
        found.append(True)

    def load_slowly(*given, **options):
        if not inside:
            inside.append(threading.Thread(target=read_strictly))
            inside[0].start()
            inside[0].join(0.2)  # it waits until this thread is done
            assert not found
        return load(*given, **options)

    monkeypatch.setattr(torch, "load", load_slowly)
    read_plain_beside_records(tmp_path / "weights.pth")
    inside[0].join(10)
    assert found
