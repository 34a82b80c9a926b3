"""Which GPUs each trial sees."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Sequence

from outtake.core.errors import ConfigError

_NVIDIA_SMI_TIMEOUT_S = 20.0


def assign_gpus(gpus: str | Sequence[object], per_trial: float, n_jobs: int) -> list[str]:
    """Divide GPUs among the trials that run at the same time.

    Args:
        gpus: ``auto`` for the GPUs that this process may see, or their ids; empty for none.
        per_trial: The number of GPUs for a trial; 0.5 lets two trials share one.
        n_jobs: The number of trials that run at the same time.

    Returns:
        ``CUDA_VISIBLE_DEVICES`` for each of the ``n_jobs`` slots; empty where there are no GPUs.

    Raises:
        ConfigError: There are fewer GPUs than the trials need.
    """
    if isinstance(gpus, str) and gpus != "auto":
        raise ConfigError(f"gpus={gpus}: allowed are auto or a list of ids such as [0,1]")
    if not isinstance(gpus, str) and not gpus:
        return [""] * n_jobs
    ids = visible_gpus() if isinstance(gpus, str) else [str(gpu) for gpu in gpus]
    if not ids:
        return []
    slots = _group_gpus(ids, per_trial)
    if len(slots) < n_jobs:
        raise ConfigError(
            f"n_jobs={n_jobs}: {len(ids)} GPUs with gpus_per_trial={per_trial:g} give "
            f"{len(slots)} slots; lower n_jobs or gpus_per_trial (0.5: two trials share a GPU)"
        )
    return slots[:n_jobs]


def _group_gpus(ids: Sequence[str], per_trial: float) -> list[str]:
    if per_trial <= 0:
        raise ConfigError(f"gpus_per_trial={per_trial:g}: must be above 0; gpus=[] for none")
    if per_trial < 1:
        # Each GPU gets its first trial before one gets its second.
        return list(ids) * math.floor(1 / per_trial + 1e-9)
    if per_trial != int(per_trial):
        raise ConfigError(f"gpus_per_trial={per_trial:g}: must be a whole number, or below 1")
    size = int(per_trial)
    return [",".join(ids[i : i + size]) for i in range(0, len(ids) - size + 1, size)]


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs that this process may see, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu.strip() for gpu in visible.split(",") if gpu.strip() not in ("", "-1")]
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_NVIDIA_SMI_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()
