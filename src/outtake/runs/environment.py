"""The environment of a run: revision, packages, hardware and flags."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

from outtake import __version__
from outtake.core.cpu import usable_processors
from outtake.core.format_version import FORMAT_VERSION
from outtake.core.redact import redact, redact_tree

GIT_TIMEOUT_S = 10.0
_DIFF_LIMIT_CHARS = 200_000


def describe_environment() -> dict[str, Any]:
    """Return what a result may depend on as plain containers, without secrets."""
    record: dict[str, Any] = redact_tree(
        {
            "format": FORMAT_VERSION,
            "outtake": __version__,
            "argv": sys.argv,
            "git": _git_state(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": installed_packages(),
            "hardware": _describe_hardware(),
            "flags": _torch_flags(),
        }
    )
    return record


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the processor with the number of threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}: {_cpu_name()} ({threads} thread{'' if threads == 1 else 's'})"


def installed_packages() -> dict[str, str]:
    """Return the version of every installed distribution by name, as it was when first asked."""
    return dict(_list_distributions())


@cache
def _list_distributions() -> tuple[tuple[str, str], ...]:
    # Its metadata is parsed each time that a distribution is asked for any of it.
    described = [each.metadata for each in importlib.metadata.distributions()]
    found = {each["Name"]: each["Version"] for each in described}
    return tuple(sorted(found.items(), key=lambda item: str(item[0]).lower()))


def _describe_hardware() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "cpu": _cpu_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": usable_processors(),
        "gpus": gpus,
        "cuda": torch.version.cuda,
        "cudnn": _cudnn_version() if gpus else None,
    }


def _cudnn_version() -> int | None:
    version: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return version


def _torch_flags() -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git_state() -> dict[str, Any] | None:
    revision = _run_git("rev-parse", "HEAD")
    if revision is None:
        return None
    diff = redact(_run_git("diff", "HEAD") or "")
    return {
        "revision": revision.strip(),
        "dirty": bool(diff),
        "diff": diff[:_DIFF_LIMIT_CHARS],
        "diff_truncated": len(diff) > _DIFF_LIMIT_CHARS,
    }


def _run_git(*arguments: str) -> str | None:
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
