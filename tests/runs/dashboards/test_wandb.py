"""What a run leaves of wandb, with a stand-in for the library."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from outtake.runs.dashboards.wandb import WandbDashboard


class StandIn:
    """Takes the calls of one run."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def init(self, **given: Any) -> StandIn:
        self.given = given
        return self

    def Settings(self, **options: Any) -> None:
        return None

    def define_metric(self, *arguments: Any, **options: Any) -> None:
        pass

    def finish(self, exit_code: int) -> None:
        raise RuntimeError("the server is gone")


def test_no_temporary_folder_is_left_and_the_next_run_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media, artifacts = tmp_path / "media", tmp_path / "artifacts"
    made = {"MEDIA_TMP": SimpleNamespace(name=str(media))}
    monkeypatch.setitem(sys.modules, "wandb.sdk.data_types._private", SimpleNamespace(**made))
    class_of_artifacts = SimpleNamespace(_TMP_DIR=SimpleNamespace(name=str(artifacts)))
    monkeypatch.setitem(
        sys.modules, "wandb.sdk.artifacts.artifact", SimpleNamespace(Artifact=class_of_artifacts)
    )
    monkeypatch.setenv("WANDB_DATA_DIR", "")
    run = tmp_path / "run"
    monkeypatch.setenv("MY_SERVICE_TOKEN", "c4n4ry-s3cret")
    dashboard = WandbDashboard(run, tags=["long"], group="ablation", notes="by c4n4ry-s3cret")
    for _ in range(2):
        dashboard._wandb = stand_in = StandIn()
        dashboard.start()
        assert media.is_dir() and artifacts.is_dir()
        (media / "picture.png").touch()
        with pytest.raises(RuntimeError, match="gone"):
            dashboard.finish("finished")
        assert not media.exists() and not artifacts.exists()
    assert stand_in.given["tags"] == ["long"] and stand_in.given["group"] == "ablation"
    assert stand_in.given["notes"] == "by <redacted>"
