"""The run folders that the benchmark of ``compare.py`` makes up."""

from __future__ import annotations

import importlib.util

from outtake.apps.config import CONF

_spec = importlib.util.spec_from_file_location(
    "compare_runs", CONF.parent / "benchmarks" / "compare_runs.py"
)
assert _spec and _spec.loader
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

write_run = _module.write_run
CLASSES = _module.CLASSES
DEVICE = _module.DEVICE
