from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from outtake.config.compose import compose
from outtake.config.resume_config import check_same_run
from outtake.core.errors import CheckpointError, ConfigError
from outtake.core.format_version import FORMAT_VERSION


def begin(folder: Path, *overrides: str, version: int = FORMAT_VERSION) -> None:
    """Write what a run folder keeps of its config."""
    (folder / "environment.json").write_text(json.dumps({"format": version}))
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(compose("train", list(overrides))))


def test_resume_auto_takes_the_same_network_only(tmp_path: Path) -> None:
    begin(tmp_path, "model=fcn8s")
    check_same_run(compose("train", ["model=fcn8s", "trainer.max_epochs=9"]), tmp_path)
    for other in ("model.dropout=0", "model.fc_kernel=5", "+model.foo=1", "model=fcn16s"):
        with pytest.raises(ConfigError, match="model is not what"):
            check_same_run(compose("train", [other]), tmp_path)
    with pytest.raises(ConfigError, match="optimizer is not what"):
        check_same_run(compose("train", ["optimizer=sgd"]), tmp_path)


def test_a_run_of_another_version_is_refused(tmp_path: Path) -> None:
    begin(tmp_path, version=FORMAT_VERSION - 1)
    with pytest.raises(CheckpointError, match="another version of Outtake"):
        check_same_run(compose("train", []), tmp_path)
