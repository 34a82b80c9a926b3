"""Workers of a cluster: what is asked of Ray, and what each is told. Ray itself is played here."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import ConfigError, DeviceError
from outtake.pipeline import ray_workers
from outtake.pipeline.ray_resources import uses_cuda, worker_config, worker_resources
from outtake.programs import infer_video as app
from outtake.removal.effects import Solid
from tests.pipeline.square import frames, square_parts, write_scene


class FakeRay:
    """Plays Ray: a task runs at once, if a machine has what it asks for; else never."""

    exceptions = SimpleNamespace(RayTaskError=ZeroDivisionError, RayError=ZeroDivisionError)

    def __init__(self, *machines: dict[str, float]) -> None:
        self.machines = machines
        self.requested: dict[str, float] = {}
        self.received: list[dict] = []
        self.ended = False

    def init(self, **_: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: None)

    def nodes(self) -> list[dict]:
        gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
        return [gone, *({"Alive": True, "Resources": machine} for machine in self.machines)]

    def remote(self, function):
        def start(*arguments):
            self.received.append(arguments[0])
            return function(*arguments)

        def options(**asked):
            self.requested = asked
            return SimpleNamespace(remote=start)

        return SimpleNamespace(options=options)

    def wait(self, running, timeout):
        wanted = {"CPU": self.requested["num_cpus"], "GPU": self.requested["num_gpus"]}
        fits = any(all(m.get(k, 0) >= v for k, v in wanted.items()) for m in self.machines)
        assert fits, f"Ray would wait for {wanted} for ever"
        return running, []

    def get(self, task):
        return task

    def shutdown(self) -> None:
        self.ended = True


@pytest.fixture
def fake_ray(monkeypatch):
    """Puts a cluster of these machines in Ray's place."""

    def put(*machines: dict[str, float]) -> FakeRay:
        ray = FakeRay(*machines)
        monkeypatch.setitem(sys.modules, "ray", ray)
        return ray

    return put


@pytest.fixture
def gpus_here(monkeypatch) -> None:
    """A driver that has two GPUs, as far as PyTorch says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def config(*overrides: str) -> InferVideoConfig:
    asked = ["input=x", "output=x", "checkpoint=x", *overrides]
    return parse(InferVideoConfig, resolve_config(compose("infer_video", asked)))


def run(folder: Path, *overrides: str) -> Path:
    places = [f"input={folder / 'in.mkv'}", f"output={folder / 'out.mkv'}", "encode.codec=ffv1"]
    asked = [
        *places,
        "job.segment_frames=2",
        "checkpoint=x",
        "remover=solid",
        "job.workers=2",
        *overrides,
    ]
    return app.infer_video(compose("infer_video", asked))[0]


def test_masks_of_ones_own_ask_for_no_gpu(tmp_path, fake_ray, gpus_here):
    write_scene(tmp_path)
    ray = fake_ray({"CPU": 4.0})
    target = run(tmp_path, f"masks={tmp_path / 'masks.mkv'}")
    assert len(frames(target)) == 8 and ray.ended
    assert ray.requested["num_gpus"] == 0 and ray.requested["num_cpus"] == 2
    assert {each.device for each in ray.received} == {"cpu"}


@pytest.fixture
def labelled(tmp_path, monkeypatch) -> Path:
    """A clip whose labels need no checkpoint, so that only the config says what they run on."""
    for module in (app, ray_workers):
        monkeypatch.setattr(module, "build_parts", square_parts)
    return write_scene(tmp_path)


def test_a_cluster_without_a_gpu_is_one_line_and_no_endless_wait(labelled, fake_ray, gpus_here):
    ray = fake_ray({"CPU": 8.0}, {"CPU": 8.0})
    with pytest.raises(
        DeviceError, match="no machine of the Ray cluster has a GPU; set device=cpu"
    ):
        run(labelled, "backend=torch")
    assert ray.ended and not ray.received
    assert not list(labelled.glob("out*"))


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:1"])
def test_a_worker_gets_the_only_gpu_that_it_sees(labelled, fake_ray, gpus_here, device, caplog):
    ray = fake_ray({"CPU": 6.0, "GPU": 1.0}, {"CPU": 32.0})
    assert len(frames(run(labelled, "backend=torch", f"device={device}"))) == 8
    assert ray.requested["num_gpus"] == 1 and ray.requested["num_cpus"] == 6
    assert {each.device for each in ray.received} == {"cuda"}
    assert "job.workers=2: each gets a GPU of its own, so 1 of them work at once" in caplog.text


def test_sigterm_stays_the_callers(labelled, fake_ray):
    ray, seen = fake_ray({"CPU": 2.0}), []
    wait = ray.wait
    ray.wait = lambda *a, **k: (seen.append(signal.getsignal(signal.SIGTERM)), wait(*a, **k))[1]
    before = signal.getsignal(signal.SIGTERM)
    run(labelled, "backend=torch", "device=cpu")
    assert signal.getsignal(signal.SIGTERM) is before
    assert all("raise_on_signal" in handler.__qualname__ for handler in seen) and seen


@pytest.mark.parametrize(
    ("overrides", "uses", "device"),
    [
        (["backend=torch"], True, "cuda"),
        (["backend=torch", "device=cpu"], False, "cpu"),
        (["backend=openvino"], False, "cpu"),
        (["backend=onnxruntime", "backend.provider=cpu"], False, "cpu"),
        (["backend=onnxruntime", "backend.provider=tensorrt"], True, "cuda"),
        (["backend=onnxruntime", "device=cuda:1"], True, "cuda"),
        (["masks.path=x"], False, "cpu"),
    ],
)
def test_a_gpu_is_asked_for_only_if_the_network_uses_one(gpus_here, overrides, uses, device):
    job = config(*overrides)
    assert uses_cuda(job, Solid()) is uses
    assert worker_config(job, None).device == device


class OnDevice(Solid):
    """A remover whose network runs somewhere."""

    def __init__(self, device: str | None) -> None:
        super().__init__()
        self.device = device


@pytest.mark.parametrize("device", ["cuda", "cpu", None])
def test_a_remover_of_ones_own_may_use_a_gpu_too(device):
    assert uses_cuda(config("masks.path=x"), OnDevice(device)) is (device == "cuda")


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_worker_gets_the_device_that_auto_is_here(device):
    inside = ("remover@remover.filler=torchscript", "remover.filler.path=x")
    for job, *keys in (
        (config("masks.path=x", "remover=torchscript", "remover.path=x"),),
        (config("masks.path=x", *inside), "filler"),
    ):
        found = worker_config(job, device).remover
        for key in keys:
            found = found[key]
        assert found["device"] == device


def test_a_worker_whose_remover_runs_elsewhere_is_one_line(labelled, monkeypatch):
    job = config("remover=solid", f"output={labelled / 'out.mkv'}")
    monkeypatch.setattr(ray_workers, "build_remover", lambda config: OnDevice("cpu"))
    with pytest.raises(DeviceError, match="on cpu on a worker and on cuda where the job"):
        ray_workers.run_range(job, (labelled / "in.mkv", labelled / "out.mkv"), [], "cuda", 0, 1)


@pytest.mark.parametrize(
    ("machines", "workers", "cuda", "cpus"),
    [
        ([(16, 0)], 4, False, 4),
        ([(2, 0)], 8, False, 1),
        ([(4, 0), (4, 0)], 1, False, 4),  # not 8, which no machine has
        ([(4, 0), (12, 0)], 2, False, 6),
        ([(0, 0), (8, 0)], 2, False, 4),
        ([(16, 8)], 8, True, 2),
        ([(16, 2)], 8, True, 8),
        ([(64, 0), (8, 1)], 4, True, 8),
    ],
)
def test_a_worker_asks_for_what_some_machine_has(machines, workers, cuda, cpus):
    have = [{"CPU": float(cpu), "GPU": float(gpu)} for cpu, gpu in machines]
    asked = worker_resources(have, workers, cuda=cuda)
    assert asked == {"num_cpus": cpus, "num_gpus": int(cuda)}


@pytest.mark.parametrize("cuda", [False, True])
def test_a_cluster_without_a_processor_is_one_line(cuda):
    with pytest.raises(ConfigError, match="of the Ray cluster has a processor to give away"):
        worker_resources([{"CPU": 0.0, "GPU": 1.0}], 2, cuda=cuda)
