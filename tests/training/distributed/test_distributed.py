"""Several processes train as one, and end together; see ``benchmarks/training/distributed.py``."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.reliability.forked_programs import ForkedProgram
from tests.tiers import keep_few

ROOT = Path(__file__).resolve().parents[3]
# How many promises each makes, so that none that is made no more goes unseen.
PROMISES = {
    "curves": 3,
    "few_images": 1,
    "resumption": 1,
    "failures": 2,
    "unreached": 3,
    "slurm": 1,
}
FEW = ("curves", "resumption")


def ran(command: list[str], timeout_s: float, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def proofs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    few = request.config.getoption("markexpr") == "not full"
    folder = tmp_path_factory.mktemp("distributed")
    command = [
        "-m",
        "benchmarks.training.distributed",
        *(FEW if few else PROMISES),
        "--small",
        "--json",
        str(folder / "facts.json"),
    ]
    done = ran(command, 280, TMPDIR=str(folder))
    assert (folder / "facts.json").is_file(), done.stderr
    return json.loads((folder / "facts.json").read_text())


def promises(found: dict[str, Any], where: str) -> dict[str, bool]:
    kept = {}
    for key, value in found.items():
        if isinstance(value, dict):
            kept |= promises(value, f"{where}/{key}")
        elif key == "ok":
            kept[where] = value is True
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("proof", keep_few(PROMISES, FEW))
def test_several_processes_do_as_one(proofs: dict[str, Any], proof: str) -> None:
    kept = promises(proofs[proof], proof)
    assert len(kept) == PROMISES[proof] and all(kept.values()), proofs[proof]


@pytest.mark.slow
def test_losses_are_those_of_one_process_to_1e_5_and_validation_is_equal(
    proofs: dict[str, Any],
) -> None:
    for name in ("ddp-2-cross_entropy", "ddp-2-cross_entropy_dice", "fsdp-2-cross_entropy"):
        found = proofs["curves"][name]
        assert found["train/loss"] <= 1e-5 and found["val/miou"] == 0.0, name
        assert found["confusion equal"] and found["files equal"] and found["pictures equal"]


@pytest.mark.slow
def test_train_py_starts_its_processes_itself(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    given = [*runs.options(pairs, epochs=1), "trainer=ddp", "trainer.devices=2"]
    given += ["name=two", f"paths.runs={tmp_path / 'runs'}"]
    # The two that train are processes of their own.
    done = ForkedProgram("train", given, ROOT, tmp_path / "printed").finish()
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["two"]
    assert done.stdout.count("best val/miou") == 1 and not done.stderr.strip()
    assert [r["epoch"] for r in runs.records(tmp_path / "runs" / "two") if "val/miou" in r] == [0]


# A program whose processes end as WAY says, in place of a training.
PROGRAM = """
import os, signal, sys, time
rank, way, place = os.environ.get("RANK"), os.environ.get("WAY"), sys.argv[1]
if "OUTTAKE_RANKS" in os.environ:
    if way == "done":
        sys.exit(0)
    if way == "killed" and rank == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "killed":
        sys.exit(69)
    if way == "own error" and rank == "1":
        print("error: on this one only", file=sys.stderr)
        sys.exit(2)
    if way == "same error":
        print("error: on all", file=sys.stderr)
        sys.exit(2)
    if way == "signal":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if "signal" in way:
        open(f"{place}/signal-{rank}", "w").close()
    time.sleep(60)
from pathlib import Path
import outtake.training.distributed.launcher as launching
launching._GRACE_PERIOD_S = 1.0
from outtake.core.errors import RankLostError
import threading
def tell():
    while len(list(Path(place).glob("signal-*"))) < 2:
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
for way in WAYS:
    os.environ["WAY"] = way
    if "signal" in way:
        for file in Path(place).glob("signal-*"):
            file.unlink()
        threading.Thread(target=tell, daemon=True).start()
    try:
        print("ended", way, launching.launch_ranks(2, Path("run")), file=sys.stderr, flush=True)
    except RankLostError as error:
        print("error:", error, file=sys.stderr)
        print("ended", way, error.exit_code, file=sys.stderr, flush=True)
    except launching.RankStoppedBySignal as error:
        print("ended", way, 128 + error.signal_number, file=sys.stderr, flush=True)
"""
WAYS = ("done", "killed", "own error", "same error", "signal", "signal too early")


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    folder = tmp_path_factory.mktemp("launch")
    (folder / "program.py").write_text(PROGRAM.replace("WAYS", repr(WAYS)))
    done = ran([str(folder / "program.py"), str(folder)], 120)
    parts = re.split(r"ended (.*) (\d+)\n", done.stderr)
    return {
        way: (int(code), said)
        for said, way, code in zip(parts[::3], parts[1::3], parts[2::3], strict=False)
    }


@pytest.mark.parametrize(
    ("way", "code", "line"),
    [
        ("done", 0, ""),
        ("killed", 69, "error: process 1 of 2 was ended by SIGKILL, and the others with it"),
        ("own error", 2, "error: on this one only"),
        ("same error", 2, "error: on all"),
        ("signal", 143, ""),
        ("signal too early", 143, ""),
    ],
)
def test_processes_that_were_started_end_together_with_one_line(
    endings: dict[str, tuple[int, str]], way: str, code: int, line: str
) -> None:
    assert endings[way] == (code, line + "\n" if line else "")


# The network sends submitit's signal once, in a step: the job is taken away.
NETWORK = """
import os, pathlib, signal, torch

class Taken(torch.nn.Module):
    def __init__(self, classes, in_channels=3):
        super().__init__()
        self.layer = torch.nn.Conv2d(in_channels, classes, 1)
        self.steps = 0

    def forward(self, images):
        mark = pathlib.Path(os.environ["MARK"])
        self.steps += self.training
        if self.steps == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGUSR2)
        return self.layer(images)
"""


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is not installed"
)
def test_a_job_that_submitit_loses_saves_and_goes_on_by_itself(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken_network.py").write_text(NETWORK)
    given = [o for o in runs.options(pairs) if "model" not in o and "checkpoint_every" not in o]
    place = tmp_path / "jobs"
    done = ran(
        [
            "train.py",
            "-m",
            "hydra/launcher=submitit_local",
            *given,
            "model=custom",
            "model._target_=taken_network.Taken",
            "resume=auto",
            "seed=3",
            f"hydra.sweep.dir={place}",
        ],
        180,
        MARK=str(tmp_path / "mark"),
        PYTHONPATH=f"{tmp_path}:{ROOT / 'src'}",
        OUTTAKE_ALLOW_TARGETS="taken_network",
    )
    assert done.returncode == 0 and (tmp_path / "mark").exists(), done.stderr
    run = place / "0"
    steps = [record["step"] for record in runs.records(run) if "train/loss" in record]
    assert steps == list(range(8))
    assert len((run / "resumptions.jsonl").read_text().splitlines()) == 1
    assert json.loads((run / "summary.json").read_text())["steps"] == 8
