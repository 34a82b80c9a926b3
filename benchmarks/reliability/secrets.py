"""Secrets that a run is given in ten ways, and that no file of it may hold."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from pathlib import Path

from benchmarks.reliability.forked_programs import ForkedProgram
from benchmarks.reliability.runs import options, write_data


def canaries() -> dict[str, str]:
    """Return ten secrets that nothing else can be, by what holds them."""
    places = (
        "an environment variable ending in TOKEN",
        "an environment variable ending in PASSWORD",
        "an environment variable ending in API_KEY, repeated in a note",
        "a config key api_key",
        "a config key password in a list",
        "a config key secret deep inside",
        "a config key credentials, as a mapping",
        "the login of an address in the config",
        "an authorization header in the config",
        "the login of the git remote",
    )
    return {
        place: f"c4n4ry-{index}-{7919 * (index + 3):x}-zq" for index, place in enumerate(places)
    }


def secrets(folder: Path) -> Counter[str]:
    """Train, evaluate and export with all dashboards on, and look for the secrets everywhere."""
    data, found = write_data(folder / "data"), canaries()
    (token, password, key, config_key, listed, deep, mapping, login, header, remote) = (
        found.values()
    )
    overrides = [
        *(o for o in options(data, epochs=1) if o not in ("logger=none", "callbacks=none")),
        "logger=all",
        "~callbacks.progress",
        f"paths.runs={folder}",
        "name=run",
        f"+note=as_in_{key}_",
        f"+service.api_key={config_key}",
        f"+service.passwords=[{listed},{listed}]",
        f"+service.inner.image16.client_secret={deep}",
        f"+service.credentials={{user:me,pass:{mapping}}}",
        f"+service.address='https://me:{login}@example.org/x'",
        f"+service.header='Authorization: Bearer {header}'",
    ]
    environment = {
        **os.environ,
        "MY_SERVICE_TOKEN": token,
        "DB_PASSWORD": password,
        "OTHER_API_KEY": key,
        "WANDB_MODE": "offline",
        # The remote of the checkout, as git itself would read it.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "remote.origin.url",
        "GIT_CONFIG_VALUE_0": f"https://me:{remote}@example.org/x.git",
    }
    environment.pop("WANDB_API_KEY", None)
    run = folder / "run"
    # A grid writes its overrides with escapes, and into files of its own.
    grid = [word for word in overrides if word not in ("name=run", "logger=all")]
    commands = [
        ("train", *overrides),
        ("evaluate", f"checkpoint={run}", "device=cpu"),
        ("export", f"checkpoint={run}", f"licence='token={config_key}'"),
        ("train", "-m", *grid, "logger=none", "seed=1"),
        # One that fails says why, and repeats what it was given.
        ("train", *overrides, "name=other", "model._target_=os.system"),
    ]
    for index, (name, *given) in enumerate(commands):
        printed = folder / "printed" / str(index)
        done = ForkedProgram(name, given, folder, printed, environment).finish(300.0)
        if (done.returncode != 0) != (index == len(commands) - 1):
            raise RuntimeError(f"{name}: {done.stdout}{done.stderr[-2000:]}")
    contents = _contents(folder)
    tally: Counter[str] = Counter({"files read": len(contents)})
    tally["wandb files among them"] = sum(name.endswith(".wandb") for name in contents)
    tally["MLflow databases among them"] = sum(name.endswith("mlflow.db") for name in contents)
    tally["trackio databases among them"] = sum(
        "/trackio/" in n and n.endswith(".db") for n in contents
    )
    tally["pictures and tables among them"] = sum(
        name.endswith((".png", ".webp")) or "table" in Path(name).name for name in contents
    )
    for place, secret in found.items():
        leaks = [name for name, content in contents.items() if secret.encode() in content]
        tally["secrets that are nowhere" if not leaks else f"FAILED: {place} in {leaks}"] += 1
    return tally


def _contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, and every member of an archive."""
    found: dict[str, bytes] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found[str(path)] = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    found[f"{path}:{name}"] = archive.read(name)
    return found
