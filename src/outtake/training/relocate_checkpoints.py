"""A run folder that has been moved or renamed: the best checkpoint stays the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from outtake.training.find_callbacks import find_callbacks

_PATH_KEYS = ("best_model_path", "kth_best_model_path", "last_model_path")


def rebase_checkpoint_paths(trainer: Trainer, checkpoint: dict[str, Any], folder: Path) -> None:
    """Tell a checkpoint where the checkpoints beside it are now, in place.

    Lightning keeps whole paths, and forgets the best score where the folder is another: the next
    checkpoint would then replace the best one, however much worse it is.

    Args:
        trainer: whose callbacks are about to be given their state.
        checkpoint: that a run goes on from.
        folder: in which this run keeps its checkpoints.
    """
    for callback in find_callbacks(trainer, ModelCheckpoint):
        state = checkpoint.get("callbacks", {}).get(callback.state_key)
        if state is None or Path(callback.dirpath or "").resolve() != folder.resolve():
            continue
        former = Path(str(state["dirpath"]))
        moved = {key: _rebase_path(str(state[key]), former, folder) for key in _PATH_KEYS}
        # Where only the checkpoint to go on from was copied there is no best one to keep.
        if moved["best_model_path"] and not Path(moved["best_model_path"]).is_file():
            continue
        best = {
            _rebase_path(path, former, folder): kept
            for path, kept in state["best_k_models"].items()
        }
        state |= {**moved, "best_k_models": best, "dirpath": callback.dirpath}


def _rebase_path(path: str, former: Path, folder: Path) -> str:
    return str(folder.resolve() / Path(path).name) if Path(path).parent == former else path
