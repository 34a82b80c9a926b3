import logging

import pytest
import torch

from outtake.training.precision import resolve_precision


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ({"avx2": True, "avx512_bf16": False}, "32-true"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16-mixed"),
        ({"cpu_name": "x", "arm_bf16": True}, "bf16-mixed"),
        ({}, "32-true"),
    ],
)
def test_auto_is_what_the_processor_computes_in(found, chosen, monkeypatch, caplog):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    with caplog.at_level(logging.INFO):
        assert resolve_precision("auto", on_gpu=False) == chosen
    assert f"trainer.precision=auto is {chosen}: this processor" in caplog.text


def test_auto_on_a_gpu(monkeypatch):
    for supported, chosen in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s
        )
        assert resolve_precision("auto", on_gpu=True) == chosen


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed", 64])
def test_what_is_named_stays(precision, caplog):
    assert resolve_precision(precision, on_gpu=False) == precision
    assert not caplog.text
    assert resolve_precision(None, on_gpu=True) == "32-true"
