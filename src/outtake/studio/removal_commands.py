"""The commands that remove: a preview, the whole clip, and the same again where it stopped.

What was chosen last lies beside the result, so that it goes on after the studio was closed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from outtake.config.compose import default_values
from outtake.core.errors import ConfigError
from outtake.core.files import write_json
from outtake.core.override_text import quote_text
from outtake.core.validate import check_number
from outtake.studio.project import Project

RESULT, CHOICE = "results/clean.mp4", "results/removal.json"
REMOVERS = ("clean_plate", "exemplar", "inpaint", "blur", "pixelate", "solid")
MAX_DILATE = 0.2
# A removal that was cancelled goes on after the last whole segment. Longer ones lose more then;
# shorter ones look at more frames twice.
SEGMENT_FRAMES = 250
# What goes with an object, a key of `mask` each: true or false.
EFFECTS = ("shadows", "reflections")
_KEYS = ("remove", "remover", "dilate", *EFFECTS, "frame")


@cache
def default_choice() -> dict[str, Any]:
    """Return what the command line takes where nothing is chosen."""
    mask = default_values("infer_video")["mask"]
    effects = {name: mask[name] for name in EFFECTS}
    return {"remover": REMOVERS[0], "dilate": mask["dilate"], **effects}


def check_choice(project: Project, options: Mapping[str, object]) -> dict[str, Any]:
    """Return what is removed and how, with defaults where nothing was said.

    Args:
        project: The project.
        options: ``remove``, a list of classes; ``remover``; ``dilate``, by which masks grow, as a
            fraction of the height; ``shadows`` and ``reflections``;
            ``frame``, which a preview shows.

    Raises:
        ConfigError: A value is not possible.
    """
    if wrong := sorted(set(options) - set(_KEYS)):
        raise ConfigError(f"options: {wrong[0]!r} is none of {', '.join(_KEYS)}")
    names = options.get("remove", project.classes[1:])
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError("remove: must be a list of classes")
    for name in names:
        if name not in project.classes:
            raise ConfigError(f"remove: there is no class {name!r}")
    found = {**default_choice(), **options, "remove": names}
    if found["remover"] not in REMOVERS:
        raise ConfigError(f"remover: must be one of {', '.join(REMOVERS)}")
    check_number("dilate", found["dilate"], 0, MAX_DILATE)
    for name in EFFECTS:
        if not isinstance(found[name], bool):
            raise ConfigError(f"{name}: must be true or false")
    if "frame" in found:
        check_number("frame", found["frame"], 0, project.frames.count - 1, whole=True)
    return found


def list_arguments(project: Project, run: Path, choice: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what stands behind ``outtake`` for a removal, or for a preview if it has a frame.

    Args:
        project: The project.
        run: The training whose network finds what is removed.
        choice: As :func:`check_choice` returns it.
    """
    listed = f"remove=[{','.join(map(quote_text, choice['remove']))}]"
    output = str(project.folder.resolve() / RESULT)
    given = ["infer-video", str(project.source), output, f"checkpoint={run}", listed,
             f"labels={project.folder.resolve()}", f"remover={choice['remover']}"]  # fmt: skip
    usual = default_choice()
    if choice["dilate"] != usual["dilate"]:
        given.append(f"mask.dilate={choice['dilate']:g}")
    changed = [name for name in EFFECTS if choice[name] != usual[name]]
    given += [f"mask.{name}={str(choice[name]).lower()}" for name in changed]
    if "frame" in choice:
        return (*given, f"preview={float(project.frames.time_s(choice['frame'])):.3f}")
    return (*given, f"job.segment_frames={SEGMENT_FRAMES}", "overwrite=true")


def keep_choice(project: Project, run: Path, choice: Mapping[str, Any]) -> None:
    """Write what a removal was asked for, before it begins.

    Raises:
        OutputError: It cannot be written.
    """
    write_json(project.folder / CHOICE, {"run": run.name, "choice": dict(choice)})


def read_choice(project: Project) -> tuple[str, dict[str, Any]] | None:
    """Return the training and the choice of the last removal; None if there was none."""
    try:
        found = json.loads((project.folder / CHOICE).read_text(encoding="utf-8"))
        return str(found["run"]), check_choice(project, found["choice"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ConfigError):
        return None


def count_kept_frames(project: Project) -> int | None:
    """Return how many frames of a removal that did not end are kept; None if there is none."""
    folder = project.folder / f"{RESULT}.part"
    if not folder.is_dir() or read_choice(project) is None:
        return None
    kept = 0
    for index in range(project.frames.count):
        try:
            said = json.loads((folder / f"{index:05d}.statistics.json").read_text())
            kept += len(said["per_frame"]["time_s"])
        except (OSError, ValueError, KeyError, TypeError):
            break
    return kept
