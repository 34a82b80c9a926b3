"""How trials end, and what is made of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from outtake.sweeps.trial_result import (
    PRUNED_EXIT_CODE,
    TrialResult,
    TrialStatus,
    classify_exit,
    objective_values,
    read_result,
    write_result,
)


def log_of(folder: Path, text: str) -> Path:
    path = folder / "trial.log"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("code", "said", "ending"),
    [
        (PRUNED_EXIT_CODE, "error: pruned after epoch 3", TrialStatus.PRUNED),
        (-9, "epoch 3", TrialStatus.LOST),
        (137, "", TrialStatus.LOST),
        (143, "", TrialStatus.LOST),
        (-11, "", TrialStatus.LOST),
        (
            69,
            "error: process 1 of 2 was ended by SIGKILL, and the others with it",
            TrialStatus.LOST,
        ),
        (69, "CUDA out of memory, said the process that was first", TrialStatus.OUT_OF_MEMORY),
        (2, "error: cannot write x: No space left on device; what was there", TrialStatus.LOST),
        (1, "OSError: [Errno 5] Input/output error", TrialStatus.LOST),
        (2, "error: the loss became nan at epoch 0, step 3", TrialStatus.DIVERGED),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to", TrialStatus.OUT_OF_MEMORY),
        (-6, "DefaultCPUAllocator: can't allocate memory", TrialStatus.OUT_OF_MEMORY),
        (2, "error: model=nope: no such option", TrialStatus.FAILED),
        (1, "ValueError: something", TrialStatus.FAILED),
        (65, "error: the gradient became inf", TrialStatus.DIVERGED),
        (66, "error: it did not fit", TrialStatus.OUT_OF_MEMORY),
        (0, "all went well", TrialStatus.FAILED),
    ],
)
def test_what_an_end_means(tmp_path: Path, code: int, said: str, ending: TrialStatus) -> None:
    assert classify_exit(code, tmp_path / "none", log_of(tmp_path, said)).status is ending


def test_a_result_that_was_left_outweighs_the_exit_code(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    write_result(result, TrialResult(TrialStatus.FINISHED, {"val/miou": 0.5, "val/loss": math.nan}))
    left = classify_exit(-11, result, log_of(tmp_path, "crashed while it said goodbye"))
    assert left.status is TrialStatus.FINISHED and left.values["val/miou"] == 0.5
    result.write_text(result.read_text()[:20])
    assert read_result(result) is None
    assert classify_exit(-11, result, log_of(tmp_path, "")).status is TrialStatus.LOST


def test_objectives_out_of_a_result() -> None:
    good = TrialResult(TrialStatus.FINISHED, {"val/miou": 0.5, "val/loss": math.nan})
    assert objective_values(good, ["val/miou"])[1] == [0.5]
    assert objective_values(good, ["val/loss"])[0].status is TrialStatus.DIVERGED
    missing, values = objective_values(good, ["val/mious"])
    assert missing.status is TrialStatus.FAILED and values is None and "val/miou" in missing.message


def test_no_secret_reaches_a_result(tmp_path: Path) -> None:
    write_result(
        tmp_path / "r.json", TrialResult(TrialStatus.FAILED, message="api_key=c4n4ry-s3cret")
    )
    assert "c4n4ry" not in json.dumps(json.loads((tmp_path / "r.json").read_text()))
