from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from outtake.config.init_from import (
    find_initial_files,
    read_initial_weights,
    read_members_weights,
)
from outtake.core.errors import CheckpointError, WeightsError


def test_a_run_and_its_checkpoint_give_the_weights_of_the_network(tiny_run: Path) -> None:
    of_run = read_initial_weights(str(tiny_run))
    of_file = read_initial_weights(str(tiny_run / "checkpoints" / "best.ckpt"))
    assert of_run.path == of_file.path and of_run.sha256 == of_file.sha256
    assert "0.weight" in of_run.state and of_run.channels == 3
    assert of_run.classes == ("ground", "thing")
    assert of_run.normalisation is not None and set(of_run.normalisation) == {"mean", "std"}


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "lightning.ckpt"])
def test_a_bare_file_gives_its_tensors(name: str, tmp_path: Path) -> None:
    state = {"a.weight": torch.ones(2)}
    if name.endswith("safetensors"):
        save_file(state, tmp_path / name)
    else:
        torch.save({"state_dict": state} if name.endswith("ckpt") else state, tmp_path / name)
    weights = read_initial_weights(str(tmp_path / name))
    assert torch.equal(weights.state["a.weight"], torch.ones(2)) and weights.classes is None


def test_what_is_missing_or_damaged_is_one_line(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such file; give a run folder"):
        read_initial_weights(str(tmp_path / "none"))
    with pytest.raises(CheckpointError, match=r"holds no checkpoints/best\.ckpt"):
        read_initial_weights(str(tmp_path))
    whole = (tiny_run / "checkpoints" / "best.ckpt").read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="truncated"):
        read_initial_weights(str(tmp_path / "cut.ckpt"))
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"^init_from=.*cut\.pth is truncated or altered"):
        read_initial_weights(str(tmp_path / "cut.pth"))


@pytest.mark.parametrize("name", ["weights.pth", "foreign.ckpt"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": {"a": torch.ones(2)}, "x": print}, r"holds objects \(print\).*alone"),
        ({"state_dict": None}, "holds no tensors by name"),
        ({"model": {"a": torch.ones(2)}, "model_ema": {"a": torch.ones(2)}}, "several state dicts"),
    ],
)
def test_what_is_no_state_dict_is_one_line_with_its_option(name, content, said, tmp_path) -> None:
    torch.save(content, tmp_path / name)
    for given, key in ((str(tmp_path / name), ""), ({"image": str(tmp_path / name)}, r"\.image")):
        with pytest.raises((CheckpointError, WeightsError), match=f"^init_from{key}[=:].*{said}"):
            read_members_weights(given)


def test_a_checkpoint_of_an_old_torch_gives_its_tensors(tmp_path: Path) -> None:
    state = {"state_dict": {"a.weight": torch.ones(2)}}
    torch.save(state, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    assert set(read_initial_weights(str(tmp_path / "old.ckpt")).state) == {"a.weight"}


@pytest.mark.parametrize("name", ["weights.pth", "foreign.ckpt"])
def test_what_other_programs_keep_beside_the_weights_is_passed_over(name, tmp_path) -> None:
    options = argparse.Namespace(lr=0.1, output_dir=Path("x"))
    content = {"state_dict": {"a.weight": torch.ones(2)}, "args": options, "hyper_parameters": None}
    torch.save(content, tmp_path / name)
    assert set(read_initial_weights(str(tmp_path / name)).state) == {"a.weight"}


def test_a_missing_file_of_a_member_is_named_by_its_option(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"^init_from\.depth=.*no such file"):
        find_initial_files({"depth": str(tmp_path / "none.pth")})
