"""Experiment files are made of overrides, and hold no secret."""

from __future__ import annotations

from outtake.config.experiment_file import list_hidden_keys, render_experiment


def test_the_keys_of_which_a_file_has_no_value_are_named() -> None:
    overrides = ["model=unet", "logger.mlflow.uri='http://me:s3cr3t-x@host'", "seed=1"]
    overrides += ["+a.api_key=s3cr3t-x", "a.token=${oc.env:TOKEN}"]
    assert list_hidden_keys(overrides) == ["logger.mlflow.uri", "a.api_key"]
    assert "s3cr3t-x" not in render_experiment(overrides, "")
