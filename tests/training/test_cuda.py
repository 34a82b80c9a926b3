"""What only a CUDA device can show; without one every test here is skipped.

`tests/models/test_deterministic_resize.py` asks the same of the networks without a device,
from what torch says of its kernels; here they run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from outtake.config.build_network import build_net
from outtake.config.build_task import build_loss
from outtake.config.compose import CONF_DIR, compose
from outtake.core.errors import OutOfMemoryError
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.inference.torch_backend import TorchBackend
from outtake.models.deterministic_resize import deterministic_resizing
from outtake.programs.evaluate import evaluate
from outtake.programs.infer_video import infer_video
from outtake.programs.reproduce import reproduce
from outtake.programs.train import train
from outtake.runs.metrics_diff import read_records
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer
from tests.config.test_conf import options
from tests.inference.trained import SIZE, make_pictures, trained_task
from tests.training.test_resume import end_at

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device on this machine"
)
# cuBLAS reads it when it is first used in a process.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

STRICT = ["trainer.accelerator=gpu", "trainer.deterministic=true"]


@pytest.fixture(autouse=True)
def as_it_was() -> object:
    yield
    torch.use_deterministic_algorithms(False)


def steps(model: str, precision: torch.dtype, count: int = 3) -> list[torch.Tensor]:
    """Return the weights of a network after some steps from a fixed start."""
    torch.manual_seed(0)
    net = build_net(compose("train", [f"model={model}"]).model, 5, 3)
    net = net.to("cuda", memory_format=torch.channels_last).train()  # as in a task
    dice = torch.Generator().manual_seed(1)
    images = torch.randn(4, 3, 160, 224, generator=dice)
    images = images.to("cuda", memory_format=torch.channels_last)
    labels = torch.randint(0, 5, (4, 160, 224), generator=dice).cuda()
    loss = CrossEntropy(ignore_index=255)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    torch.cuda.manual_seed(2)
    for _ in range(count):
        mixed = torch.autocast("cuda", precision, enabled=precision != torch.float32)
        with mixed, deterministic_resizing(images):
            value = loss(net(images), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return [weight.detach().cpu() for weight in net.state_dict().values()]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model", [name for name in options("model") if name != "custom"])
def test_every_network_trains_to_the_same_bits(model: str, precision: torch.dtype) -> None:
    torch.use_deterministic_algorithms(True)
    one, other = steps(model, precision), steps(model, precision)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert all(torch.isfinite(weight).all() for weight in one)


@pytest.mark.parametrize("loss", [name for name in options("loss") if name != "custom"])
def test_every_loss_has_deterministic_kernels(loss: str) -> None:
    torch.use_deterministic_algorithms(True)
    labels = LabelSpace.from_names(["a", "b", "c", "d", "e"])
    criterion = build_loss(compose("train", [f"loss={loss}"]).loss, labels).cuda()
    logits = torch.randn(2, 5, 33, 47, device="cuda", requires_grad=True)
    criterion(logits, torch.randint(0, 5, (2, 33, 47), device="cuda")).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["trainer.precision=bf16-mixed"],
        ["trainer.precision=16-mixed"],
        ["trainer.accumulate_grad_batches=3"],
        ["loss=cross_entropy_dice", "data.workers=2"],
    ],
)
def test_a_run_goes_on_and_is_repeated_bit_for_bit(
    runs: ModuleType, pairs: Path, tmp_path: Path, capsys, monkeypatch, more: list[str]
) -> None:
    given = [*runs.options(pairs), *STRICT, *more]
    train(compose("train", given), tmp_path / "whole", given)
    whole = runs.final_state(tmp_path / "whole")
    again = [f"reproduce={tmp_path / 'whole'}"]
    reproduce(compose("train", again), tmp_path / "again", again)
    assert "identical: every record" in capsys.readouterr().out
    assert runs.difference(whole, runs.final_state(tmp_path / "again")) is None

    with monkeypatch.context() as patch:
        end_at(patch, "training_step", 6)
        with pytest.raises(SystemExit) as end:
            train(compose("train", given), tmp_path / "ended", given)
    assert end.value.code == 143
    train(compose("train", [f"resume={tmp_path / 'ended'}"]))
    assert runs.difference(whole, runs.final_state(tmp_path / "ended")) is None
    records = (tmp_path / "whole" / "environment.json").read_text()
    assert json.loads(records)["hardware"]["gpus"][0] == torch.cuda.get_device_name(0)


def test_a_run_that_is_killed_goes_on_bit_for_bit(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    given = [*runs.options(pairs, epochs=20), *STRICT, f"paths.runs={tmp_path}"]
    command = [sys.executable, str(CONF_DIR.parent / "train.py"), *given]
    subprocess.run([*command, "name=whole"], check=True, capture_output=True, timeout=120)
    metrics = tmp_path / "killed" / "metrics.jsonl"
    process = subprocess.Popen([*command, "name=killed"], stderr=subprocess.DEVNULL)
    until_s = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until_s:
        if metrics.is_file() and metrics.read_bytes().count(b"\n") > 20:
            break
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    train(compose("train", [f"resume={tmp_path / 'killed'}"]))
    whole, killed = (runs.final_state(tmp_path / name) for name in ("whole", "killed"))
    assert runs.difference(whole, killed) is None


def test_a_batch_that_does_not_fit_is_one_line(
    runs: ModuleType, tmp_path: Path, monkeypatch
) -> None:
    data = runs.write_data(tmp_path / "data", size=512)
    plain = [o for o in runs.options(data) if not o.startswith(("model", "+model", "data.crop"))]
    given = [*plain, *STRICT, "model=fcn8s", "data.batch_size=8", "data.crop=[512,512]"]
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    # Room for the weights and the optimizer, not for the maps.
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 7e8) / total)
    try:
        with pytest.raises(OutOfMemoryError) as ended:
            train(compose("train", given), tmp_path / "run", given)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    line = str(ended.value)
    assert (
        line.startswith("out of memory in a training batch of 8 images 3x512x512")
        and "\n" not in line
    )
    assert "cuda:0" in line and "data.batch_size" in line


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one CUDA device")
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_two_devices_train_and_repeat_it(
    trainer: str, runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    left_out = ("+callbacks.ema", "trainer.acc", "model", "+model", "data.crop")
    plain = [o for o in runs.options(pairs) if not o.startswith(left_out)]
    command = [sys.executable, str(CONF_DIR.parent / "train.py"), *plain, f"trainer={trainer}"]
    command += [*STRICT, "trainer.devices=2", f"paths.runs={tmp_path}", "model=pspnet"]
    for name in ("one", "other"):
        done = subprocess.run([*command, f"name={name}"], capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
    one, other = (runs.final_state(tmp_path / name) for name in ("one", "other"))
    assert runs.difference(one, other) is None


def test_memory_is_that_of_the_device_and_the_scores_those_of_the_cpu(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    memory = "+callbacks.memory._target_=outtake.training.callbacks.system_metrics.MemoryUsage"
    given = [*runs.options(pairs), "trainer.accelerator=gpu", memory]
    best = train(compose("train", given), tmp_path / "run", given)
    logged = read_records(tmp_path / "run" / "metrics.jsonl")
    used = [r["train/memory_mib"] for r in logged if "train/loss" in r]
    assert 0 < max(used) < 200, "of CUDA: the process itself takes more"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["forward"]["device"] == torch.cuda.get_device_name(0)
    for device in ("cuda", "cpu"):
        asked = [f"checkpoint={tmp_path / 'run'}", f"device={device}", "report=false"]
        scored = evaluate(compose("evaluate", [*asked, f"output={tmp_path / device}"]))
        assert json.loads(scored.read_text())["miou"] == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize(("precision", "share"), [("float32", 0.999), ("bfloat16", 0.99)])
def test_labels_are_those_of_the_cpu(precision: str, share: float) -> None:
    images, _ = make_pictures(8, 100)
    there = TorchBackend(trained_task(), "cuda", precision=precision)(images, SIZE)[0]
    trained_task().to("cpu")
    here = TorchBackend(trained_task(), "cpu", precision="float32")(images, SIZE)[0]
    assert np.mean(there == here) >= share


def test_a_video_is_cleaned_on_it(small_run: Path, tmp_path: Path) -> None:
    video = tmp_path / "in.mp4"
    info = VideoInfo(tmp_path, 96, 64, Fraction(25), Fraction(1, 12800))
    with open_writer(video, info) as writer:
        for index, image in enumerate(make_pictures(12, 0, (64, 96))[0]):
            writer.write(TimedFrame(image, 512 * index, Fraction(1, 12800)))
    shown = {}
    for device in ("cuda", "cpu"):
        asked = [f"checkpoint={small_run}", f"input={video}", f"device={device}", "backend=torch"]
        asked += ["remover=mask", "network.precision=float32", "encode.codec=ffv1"]
        [target] = infer_video(
            compose("infer_video", [*asked, "remove=[ball]", f"output={tmp_path / device}.mkv"])
        )
        with open_clip(target) as clip:
            shown[device] = np.stack([frame.image for frame in clip])
    assert len(shown["cuda"]) == 12
    assert np.mean(shown["cuda"] == shown["cpu"]) > 0.98
