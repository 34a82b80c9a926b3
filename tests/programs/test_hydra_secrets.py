"""What Hydra prints and writes of a grid holds no secret."""

from __future__ import annotations

import logging

import yaml
from hydra.core.utils import JobReturn
from omegaconf import OmegaConf

from outtake.config.compose import compose
from outtake.programs.command_line import _redact_multirun
from outtake.programs.hydra_secrets import SecretsCallback, SecretsFormatter
from outtake.runs.run_folder import RunFolder

CANARY = "c4n4ry-5up3r"
JOB = [rf"logger.mlflow.uri=http\://bob\:{CANARY}@host/x", f"+a.password=two {CANARY}"]


def test_the_log_and_the_overrides_of_a_job_are_without_secrets() -> None:
    record = logging.makeLogRecord({"msg": f"#0 : {JOB[0]} a.api_key={CANARY}"})
    assert CANARY not in SecretsFormatter().format(record)
    ended = JobReturn(overrides=JOB)
    SecretsCallback().on_job_end(compose("train"), ended)
    assert CANARY not in str(ended.overrides)


def test_the_files_of_a_job_and_of_the_grid_are_without_secrets(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_overrides(JOB)
    folder.log_resume(JOB, {})
    record = tmp_path / "multirun.yaml"
    named = {"overrides": {"task": JOB}, "job": {"override_dirname": ",".join(JOB)}}
    record.write_text(OmegaConf.to_yaml(OmegaConf.create({"hydra": named})))
    _redact_multirun(record)
    assert yaml.safe_load(record.read_text())["hydra"]["job"]["override_dirname"].startswith("logg")
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert len(written) == 3 and not any(CANARY in text for text in written)
