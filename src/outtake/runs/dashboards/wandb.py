"""Weights & Biases: offline in the run folder, or on its server when there is a key."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outtake.core.redact import redact_tree
from outtake.runs.dashboards.protocol import (
    FlatConfig,
    ScalarRecord,
    check_choice,
    load_run_id,
    save_run_id,
    temporary_png,
)
from outtake.training.media import Picture, Table

_STEP = "trainer/global_step"
# Where W&B puts what is still to be uploaded, by default below the home folder.
_STAGING = "WANDB_DATA_DIR"
_STAGING_IS_OURS = _STAGING not in os.environ


class WandbDashboard:
    """Curves, pictures with masks to switch on and off, tables, charts and the best checkpoint.

    Args:
        run_dir: The run folder, in which ``wandb/`` is written.
        project: The project on the server.
        entity: The user or team on the server.
        mode: ``online``, ``offline``, ``disabled``, or ``auto``: online when ``WANDB_API_KEY`` is
            set.
        log_model: ``best`` makes the best checkpoint an artifact, ``none`` does not.
        tags: Tags of the run.
        group: The group of the run.
        notes: A remark on the run.
    """

    packages = "wandb"

    def __init__(
        self,
        run_dir: Path,
        project: str = "outtake",
        entity: str | None = None,
        mode: str = "auto",
        log_model: str = "best",
        tags: Sequence[str] = (),
        group: str | None = None,
        notes: str | None = None,
    ) -> None:
        check_choice("logger.wandb.mode", mode, ("auto", "online", "offline", "disabled"))
        check_choice("logger.wandb.log_model", log_model, ("best", "none"))
        self._run_dir = run_dir
        self._project = project
        self._entity = entity
        self._mode = mode
        self._log_model = log_model
        self._noted = redact_tree({"tags": list(tags), "group": group, "notes": notes})
        self._wandb: Any = None

    def load(self) -> None:
        """Import wandb."""
        import wandb

        self._wandb = wandb

    def start(self) -> None:
        """Begin the run, or resume it."""
        mode = self._mode
        if mode == "auto":
            mode = os.environ.get("WANDB_MODE") or (
                "online" if os.environ.get("WANDB_API_KEY") else "offline"
            )
        for folder in find_temporary_folders():
            folder.mkdir(exist_ok=True)  # removed at the end of an earlier run of this process
        if _STAGING_IS_OURS:
            os.environ[_STAGING] = str(self._run_dir.absolute() / "wandb" / "data")
        # What wandb would gather by itself: argv, the git remote and console output may hold
        # secrets, and its machine probes ask a metadata address. environment.json has the facts,
        # redacted.
        settings = self._wandb.Settings(
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            silent=True,
            init_timeout=60.0,
        )
        run_id = load_run_id(self._run_dir, "wandb")
        self._run = self._wandb.init(
            project=self._project,
            entity=self._entity,
            name=self._run_dir.name,
            id=run_id or save_run_id(self._run_dir, "wandb", uuid.uuid4().hex[:8]),
            resume="allow",
            dir=str(self._run_dir),
            mode=mode,
            settings=settings,
            **self._noted,
            # The next job of a multirun, or a run beside this one, is another run.
            reinit="create_new",
        )
        # wandb's own steps must not go back, as those of a resumed run do.
        self._run.define_metric(_STEP)
        self._run.define_metric("*", step_metric=_STEP, step_sync=True)

    def log_config(self, config: FlatConfig) -> None:
        """Set the config that wandb's table of runs shows."""
        self._run.config.update(dict(config), allow_val_change=True)

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Log curves."""
        for record in records:
            self._run.log({**record.values, _STEP: record.step})

    def log_picture(self, picture: Picture, step: int) -> None:
        """Log a picture, and beside it its images with masks to switch on and off."""
        record: dict[str, Any] = {}
        if picture.overlays:
            names = dict(enumerate(picture.classes)) | {255: "unlabelled"}
            record[f"{picture.name}_masks"] = [
                self._wandb.Image(
                    each.image,
                    caption=each.name,
                    masks={
                        kind: {"mask_data": mask, "class_labels": names}
                        for kind, mask in each.masks.items()
                    },
                )
                for each in picture.overlays
            ]
        with temporary_png(picture) as path:
            self._run.log({picture.name: self._wandb.Image(path), **record, _STEP: step})

    def log_table(self, table: Table, step: int) -> None:
        """Log a table, or the chart that shows it best."""
        rows = [list(row) for row in table.rows]
        made: Any = self._wandb.Table(columns=list(table.columns), data=rows)
        if table.chart == "bar":
            label, value = table.columns[:2]
            made = self._wandb.plot.bar(made, label, value, title=table.name)
        elif table.chart == "matrix":
            columns = ["Actual", "Predicted", "nPredictions"]
            made = self._wandb.plot_table(
                "wandb/confusion_matrix/v1",
                self._wandb.Table(columns=list(columns), data=rows),
                {name: name for name in columns},
                {"title": table.name},
            )
        self._run.log({table.name: made, _STEP: step})

    def log_checkpoint(self, path: Path) -> None:
        """Log the best checkpoint as an artifact that names the file and does not copy it."""
        if self._log_model != "best":
            return
        artifact = self._wandb.Artifact(f"model-{self._run.id}", type="model")
        # The file does not change any more; by default wandb copies it into the home folder first.
        artifact.add_file(str(path), skip_cache=True, policy="immutable")
        self._run.log_artifact(artifact, aliases=["best"])

    def finish(self, status: str) -> None:
        """Write, and online upload, what is left; leave no temporary folder behind."""
        try:
            self._run.finish(exit_code=0 if status == "finished" else 1)
        finally:
            for folder in find_temporary_folders():
                shutil.rmtree(folder, ignore_errors=True)


def find_temporary_folders() -> list[Path]:
    """Return wandb's folders in the temporary folder of the machine.

    It makes them when it is imported and removes them only when the interpreter ends in order.
    """
    media = getattr(sys.modules.get("wandb.sdk.data_types._private"), "MEDIA_TMP", None)
    artifacts = getattr(sys.modules.get("wandb.sdk.artifacts.artifact"), "Artifact", None)
    found = (media, getattr(artifacts, "_TMP_DIR", None))
    return [Path(str(each.name)) for each in found if each is not None]
