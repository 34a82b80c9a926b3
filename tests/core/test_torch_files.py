"""What is wrong with a file of weights is said in a few words, none of them torch's."""

from __future__ import annotations

import argparse
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from outtake.core.torch_files import find_fault, read_plain

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
