from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from outtake.core.errors import CheckpointError
from outtake.training.model_archive import read_archive, write_archive

RECORD = {
    "format": 1,
    "version": "0.1.0",
    "config": "model: {a: 1}\n",
    "labels": {"names": ["a", "b"], "colours": [[0, 0, 0], [1, 1, 1]], "ignore_index": 255},
    "channels": 3,
    "short_side": None,
    "sample_range": {"low": 0, "high": 4095, "of_all": False, "of_floats": False},
    "further_inputs": [{"name": "depth", "channels": 1, "sample_range": None, "converts": False}],
    "clip": {"name": "a.mp4", "sha256": "00", "labels": {}},
    "refine": None,
    "further_labels": [{"name": "layout", "labels": {}}],
    "divisions": ["folds=2, fold=0, fold_by=auto", "folds=2, fold=1, fold_by=auto"],
}


@pytest.fixture
def checkpoint() -> dict:
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    return {"outtake": RECORD, "epoch": 3, "state_dict": {"w": weight, "n": torch.tensor(7)}}


@pytest.fixture
def bundle(tmp_path: Path, checkpoint: dict) -> Path:
    write_archive(tmp_path / "x.zip", checkpoint, {"README.md": b"# x\n"})
    return tmp_path / "x.zip"


def test_what_is_written_is_read_back(bundle: Path, checkpoint: dict) -> None:
    read = read_archive(bundle)
    assert read["outtake"] == RECORD and read["epoch"] == 3
    for name, tensor in checkpoint["state_dict"].items():
        assert torch.equal(read["state_dict"][name], tensor)


def test_the_same_content_gives_the_same_bytes(bundle: Path, checkpoint: dict) -> None:
    write_archive(bundle.with_name("y.zip"), checkpoint, {"README.md": b"# x\n"})
    assert bundle.read_bytes() == bundle.with_name("y.zip").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_bundle_is_refused(bundle: Path, share: float) -> None:
    bundle.write_bytes(bundle.read_bytes()[: int(bundle.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=r"x\.zip"):
        read_archive(bundle)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "c:evil"])
def test_a_member_that_leads_out_is_refused(bundle: Path, name: str) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), "evil")
    with pytest.raises(CheckpointError, match="leads out"):
        read_archive(bundle)


def test_what_grows_when_it_is_read_is_refused_before_it_does(bundle: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    for swollen, said in (("weights.safetensors", "packed"), ("config.yaml", "over")):
        with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(bomb, "w") as target:
            for name in source.namelist():
                content = bytes(50_000_000) if name == swollen else source.read(name)
                target.writestr(name, content, zipfile.ZIP_DEFLATED)
        with pytest.raises(CheckpointError, match=said):
            read_archive(bomb)


def test_a_missing_bundle_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a \.zip of outtake export"):
        read_archive(tmp_path / "absent.zip")
