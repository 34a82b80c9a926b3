"""How a run ends before its time: one line and an exit code of its own."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest
import torch
from pytorch_lightning import Trainer

from outtake.config.compose import compose
from outtake.core.errors import (
    ConfigError,
    NonFiniteLossError,
    OutOfMemoryError,
    SharedMemoryError,
)
from outtake.programs.command_line import explain_error
from outtake.programs.train import train
from outtake.programs.training_interruption import exit_on_sigterm, record_ending, resume_hint
from outtake.runs.run_ending import ENDING_FILE
from outtake.runs.run_folder import RunFolder
from outtake.sweeps.trial_result import PrunedTrialError
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.task import SegmentationTask


def test_sigterm_ends_with_143_even_if_what_it_interrupts_fails_to_clean_up() -> None:
    with pytest.raises(SystemExit) as caught, exit_on_sigterm():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            raise AttributeError("half made")
    assert caught.value.code == 143
    with pytest.raises(AttributeError), exit_on_sigterm():
        raise AttributeError("on its own")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_non_finite_loss_leaves_the_batch_in_the_run_folder(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    wild = [
        *runs.options(pairs),
        "optimizer=sgd",
        "optimizer.lr=1e30",
        "trainer.gradient_clip_val=null",
    ]
    with pytest.raises(NonFiniteLossError, match="training samples") as caught:
        train(compose("train", wild), tmp_path / "run")
    assert caught.value.exit_code == 65
    facts = json.loads((tmp_path / "run" / "non_finite.json").read_text())
    assert len(facts["samples"]) == len(facts["files"]) == 2 and facts["split"] == "training"
    assert all(file["id"] for file in facts["files"])
    ended = json.loads((tmp_path / "run" / ENDING_FILE).read_text())
    assert ended["state"] == "diverged" and "\n" not in ended["message"]
    for path in (tmp_path / "run").rglob("*.ckpt"):
        weights = read_checkpoint(path)["state_dict"]
        assert all(bool(torch.isfinite(w.float()).all()) for w in weights.values())


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (KeyboardInterrupt("resume it"), {"state": "stopped", "message": "resume it"}),
        (SystemExit(143), {"state": "stopped", "message": ""}),
        (PrunedTrialError("pruned"), {"state": "stopped", "message": "pruned"}),
        (ValueError("a\nbug"), {"state": "failed", "message": "a bug"}),
        (MemoryError(), {"state": "failed", "message": "MemoryError"}),
    ],
)
def test_how_a_fit_ended_stands_in_the_run_folder_until_it_continues(
    error: BaseException, ending: dict[str, str], tmp_path: Path
) -> None:
    folder, first = RunFolder(tmp_path), cast(Trainer, SimpleNamespace(is_global_zero=True))
    with pytest.raises(type(error)), record_ending(first, folder):
        raise error
    assert json.loads((tmp_path / ENDING_FILE).read_text()) == ending
    with record_ending(first, folder):
        assert not (tmp_path / ENDING_FILE).exists()
    assert not (tmp_path / ENDING_FILE).exists()


def test_out_of_memory_names_the_batch_and_what_to_set(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    def full(self: SegmentationTask, net: object, images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(SegmentationTask, "run_network", full)
    with pytest.raises(OutOfMemoryError) as caught:
        train(compose("train", runs.options(pairs)), tmp_path / "run")
    assert caught.value.exit_code == 66
    line = explain_error(caught.value)
    assert (
        "a training batch of 2 images 3x24x24" in line and "set a smaller data.batch_size" in line
    )
    assert "\n" not in line and "batch_size: 2\n" in (tmp_path / "run/config.yaml").read_text()


def test_what_has_no_deterministic_kernel_is_named(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    def refused(self: SegmentationTask, net: object, images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(
            "adaptive_max_pool2d_backward_cuda does not have a deterministic implementation, but "
            "you set 'torch.use_deterministic_algorithms(True)'. You can turn off determinism ..."
        )

    monkeypatch.setattr(SegmentationTask, "run_network", refused)
    with pytest.raises(ConfigError) as caught:
        train(compose("train", runs.options(pairs)), tmp_path / "run")
    line = explain_error(caught.value)
    assert "adaptive_max_pool2d_backward_cuda has no deterministic kernel on cpu" in line
    assert "trainer.deterministic=warn" in line and "\n" not in line


def test_another_error_stays_what_it_is(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    def broken(self: SegmentationTask, net: object, images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("a bug")

    monkeypatch.setattr(SegmentationTask, "run_network", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        train(compose("train", runs.options(pairs)), tmp_path / "run")


def test_one_image_is_too_few_for_a_network_that_normalises_one_pixel(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    def pooled(self: SegmentationTask, net: object, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.BatchNorm2d(3)(images[:1].float().mean((2, 3), keepdim=True))

    monkeypatch.setattr(SegmentationTask, "run_network", pooled)
    with pytest.raises(ConfigError) as caught:
        train(compose("train", runs.options(pairs)), tmp_path / "run")
    assert "set data.batch_size to 2 or more" in explain_error(caught.value)


def test_the_command_that_resumes_can_be_pasted(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "my run = [1] #é")
    folder.create()
    assert "nothing was saved yet" in resume_hint(folder)
    (folder.checkpoints / "last.ckpt").touch()
    folder.unlock()
    word = shlex.split(resume_hint(folder))[-1]
    assert compose("train", [word]).resume == str(folder.path)


def test_full_shared_memory_is_one_line_and_nothing_is_lost(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    def full(self: SegmentationTask, batch: object, index: int) -> torch.Tensor:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error.")

    monkeypatch.setattr(SegmentationTask, "validation_step", full)
    with pytest.raises(SharedMemoryError, match=r"set data.workers=0.*resume with: .*resume="):
        train(compose("train", runs.options(pairs)), tmp_path / "run")
