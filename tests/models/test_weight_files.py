"""Which layouts of files of weights are read, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from outtake.core.errors import WeightsError
from outtake.models.weight_files import list_dropped_parts, match_names, read_weights

STATE = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.ones(2)}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "optimizer": {"state": {0: {"step": torch.ones(1)}}}, "epoch": 3},
        {"model_state_dict": STATE, "best": torch.tensor(0.7)},
        {"model": STATE, "rng_state": torch.get_rng_state()},
        {"model": STATE, "class_weights": torch.ones(2), "epoch": 3},
        {"state_dict": STATE | {"conv._extra_state": None}, "random": {"torch": torch.ones(2)}},
        {"state_dict": STATE, "state_dict_ema": STATE},
        {7: torch.ones(1), "epoch": 3} | STATE,
    ],
    ids=[
        "bare",
        "lightning",
        "torchvision",
        "score",
        "draws",
        "class weights",
        "outtake",
        "timm",
        "numbers",
    ],
)
def test_the_only_state_dict_of_a_file_is_read(content, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    found = read_weights(tmp_path / "weights.pth", "init_from")
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], value) for name, value in STATE.items())


def test_a_file_of_safetensors_is_read(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "weights.safetensors")
    assert read_weights(tmp_path / "weights.safetensors", "init_from").keys() == STATE.keys()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": None}, "holds no tensors by name; save its state dict alone"),
        ({"state_dict": [1, 2]}, "holds no tensors by name"),
        ({"state_dict": {1: torch.ones(1)}}, "holds no tensors by name"),
        ([torch.ones(1)], "holds no tensors by name"),
        (torch.ones(1), "holds no tensors by name"),
        ({"a": torch.ones(1, device="meta")}, "holds no tensors by name"),
        ({"a": torch.eye(2).to_sparse()}, "holds no tensors by name"),
        (
            {"model": STATE, "model_ema": STATE, "epoch": 3},
            r"holds several state dicts \(model, model_ema\); .*torch\.load\(FILE\)\['model'\]",
        ),
    ],
)
def test_what_holds_no_state_dict_or_several_is_one_line(content, said, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(WeightsError, match=rf"^init_from=.*weights\.pth {said}"):
        read_weights(path, "init_from")


def test_the_way_that_finds_the_most_names_is_taken() -> None:
    own = ["net.a", "net.b"]
    assert match_names(own, ["a", "net.a", "net.b"]) == {"net.a": "net.a", "net.b": "net.b"}
    assert match_names(own, ["module.a", "module.b"]) == {"net.a": "module.a", "net.b": "module.b"}
    assert match_names(["a", "net.b"], ["b"]) == {}, "only what all names have is left out"
    assert match_names(["a"], ["a"]) == {"a": "a"}


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        ("_orig_mod.{}", ["_orig_mod."]),
        ("module._orig_mod.{}", ["module.", "_orig_mod."]),
        ("_orig_mod.module.{}", ["module.", "_orig_mod."]),
        ("network._orig_mod.{}", ["network.", "_orig_mod."]),
        ("_fsdp_wrapped_module.{}", ["_fsdp_wrapped_module."]),
        ("model.{}", ["model."]),
        ("{}", []),
    ],
)
def test_names_of_wrapped_networks_are_those_of_the_network(given: str, dropped) -> None:
    own = ["encoder.conv.weight", "head.weight"]
    wrapped = [given.format(name) for name in own]
    assert match_names(own, wrapped) == dict(zip(own, wrapped, strict=True))
    assert list_dropped_parts(match_names(own, wrapped)) == dropped
    # Of the network of a library, which is `net` here.
    within = [f"net.{name}" for name in own]
    assert match_names(within, wrapped) == dict(zip(within, wrapped, strict=True))
    assert list_dropped_parts(match_names(within, wrapped)) == dropped


def test_a_part_of_a_network_may_be_wrapped_on_either_side() -> None:
    plain, wrapped = ["net.body.weight", "net.score"], ["net.body._orig_mod.weight", "net.score"]
    assert match_names(plain, wrapped) == dict(zip(plain, wrapped, strict=True))
    assert match_names(wrapped, plain) == dict(zip(wrapped, plain, strict=True))
    assert match_names(wrapped, wrapped) == dict(zip(wrapped, wrapped, strict=True))
    assert list_dropped_parts(match_names(wrapped, wrapped)) == []


def test_of_a_network_as_it_is_and_compiled_the_first_is_taken() -> None:
    for given in (["a", "_orig_mod.a"], ["_orig_mod.a", "a"]):
        assert match_names(["a"], given) == {"a": "a"}
