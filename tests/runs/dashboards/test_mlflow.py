from __future__ import annotations

import logging

import pytest

from outtake.runs.dashboards.mlflow import MlflowDashboard


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "mlflow.store.db.utils"])
def test_attempts_to_reach_a_server_or_a_file_print_nothing(
    tmp_path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    pytest.importorskip("mlflow")
    pool = logging.getLogger(name)
    pool.setLevel(logging.NOTSET)
    MlflowDashboard(tmp_path).load()
    pool.warning("Retrying after connection broken")
    assert not caplog.messages
