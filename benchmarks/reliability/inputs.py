"""Inputs that try to run code: none may, however it is wrapped."""

from __future__ import annotations

import builtins
import importlib
import json
import os
import pickle
import stat
import subprocess
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import OuttakeError
from outtake.programs.reproduce import reproduce
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint

Attack = Callable[[Path], object]
READS = "a resolver that reads the environment"


class _Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._parts = (function, arguments)

    def __reduce__(self) -> Any:
        return self._parts


def malicious(folder: Path, run: Path) -> Counter[str]:
    """Feed every input; none may leave a canary, and each must be refused by one of our errors.

    Args:
        folder: where they are written.
        run: a finished run, from which they are made.
    """
    tally: Counter[str] = Counter()
    for name, attack in attacks(run, folder / "canary"):
        place = folder / str(tally["inputs"])
        place.mkdir(parents=True)
        tally["inputs"] += 1
        try:
            attack(place)
        except OuttakeError:
            tally["refused with one line"] += 1
        else:
            tally[f"FAILED: accepted {name}"] += 1
        if any("canary" in path.name for path in folder.rglob("*")):
            tally[f"FAILED: a canary by {name}"] += 1
            break
    return tally


def attacks(run: Path, canary: Path) -> Iterator[tuple[str, Attack]]:
    """Yield 60 inputs and more: a name, and what feeds it, given an empty folder."""
    sound = read_checkpoint(run / "checkpoints" / "best.ckpt")
    yield from _pickles(sound, canary)
    for name, change in _configs(canary):
        text = _changed(str(sound["outtake"]["config"]), change)
        yield f"a checkpoint with {name}", lambda place, t=text: _load_config(place, sound, t)
        yield f"a run to reproduce with {name}", lambda place, t=text: _reproduce(place, t)
        if name != READS:  # one's own run may
            yield f"a run to resume with {name}", lambda place, t=text: _resume(place, run, t)
    bundle = _bundle(run)
    for name, make in _archives(canary):
        yield f"a zip with {name}", lambda place, m=make: _load_zip(place, bundle, m)


def _pickles(sound: dict[str, Any], canary: Path) -> Iterator[tuple[str, Attack]]:
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    calls = {
        "os.system": _Call(os.system, command),
        "subprocess": _Call(subprocess.check_output, ["touch", str(canary)]),
        "eval": _Call(builtins.eval, f"__import__('os').system({command!r})"),
        "exec": _Call(builtins.exec, code),
        "a path": _Call(Path.touch, canary),
        "an import": _Call(importlib.import_module, "antigravity"),
        "open": _Call(builtins.open, str(canary), "w"),
    }
    for name, call in calls.items():
        for where in ("state_dict", "callbacks", "outtake"):
            changed = {**sound, where: call}
            yield f"{name} as {where}", lambda place, c=changed: _load(place, c)
    for protocol in (0, 2, 4):
        raw = pickle.dumps(calls["os.system"], protocol)
        yield f"a bare pickle of protocol {protocol}", lambda place, r=raw: _load_bytes(place, r)


def _configs(canary: Path) -> Iterator[tuple[str, Callable[[dict[str, Any]], str | None]]]:
    """Yield changes to a config; one that returns text replaces all of it."""
    call = {"_target_": "os.system", "_args_": [f"touch {canary}"]}
    touch = (
        f"{{_target_:pathlib.Path.touch,_args_:[{{_target_:pathlib.Path,_args_:['{canary}']}}]}}"
    )
    written = {
        "_target_": "outtake.training.checkpoint_files.save_checkpoint",
        "_args_": [{}, {"_target_": "pathlib.Path", "_args_": [str(canary)]}],
    }
    yield "a target", lambda cfg: cfg.update(model=call)
    yield "a target deep inside", lambda cfg: cfg["model"].update(extra=[{"deep": call}])
    yield "a target in the loss", lambda cfg: cfg.update(loss=call)
    yield "a target in a callback", lambda cfg: cfg["callbacks"].update(x=call)
    yield "a function of our own", lambda cfg: cfg.update(normalize=written)
    yield (
        "an interpolated target",
        lambda cfg: cfg.update(a="os", model={**call, "_target_": "${a}.system"}),
    )
    yield (
        "a target through what a module imports",
        lambda cfg: cfg["model"].update(_target_="outtake.training.checkpoint_files.os.system"),
    )
    yield (
        "a resolver that makes a target",
        lambda cfg: cfg["model"].update(extra=f"${{oc.create:{touch}}}"),
    )
    yield (
        "an escaped resolver",
        lambda cfg: cfg["model"].update(extra=f"\\${{oc.create:{touch}}}"),
    )
    yield (
        READS,
        lambda cfg: cfg["data"].update(name="${oc.env:HOME}"),
    )
    yield "an alias", lambda cfg: "a: &a [1, 2]\nb: [*a, *a]\n" + yaml.safe_dump(cfg)
    yield "a tag", lambda cfg: f"x: !!python/object/apply:os.system ['touch {canary}']\n"
    yield (
        "a search path",
        lambda cfg: cfg.update(model={"_target_": "hydra.utils.instantiate", "config": call}),
    )


def _archives(canary: Path) -> Iterator[tuple[str, Callable[[dict[str, bytes], Path], None]]]:
    def member(name: str, kind: int = stat.S_IFREG) -> Callable[[dict[str, bytes], Path], None]:
        def make(files: dict[str, bytes], path: Path) -> None:
            _write_zip(path, files)
            with zipfile.ZipFile(path, "a") as archive:
                entry = zipfile.ZipInfo(name)
                entry.external_attr = (kind | 0o777) << 16
                archive.writestr(entry, str(canary))

        return make

    yield "..", member("../canary")
    yield ".. deep inside", member("report/../../canary")
    yield "an absolute name", member(str(canary))
    yield "a name of Windows", member("..\\canary")
    yield "a drive", member("c:canary")
    yield "a link", member("canary-link", stat.S_IFLNK)

    def twice(files: dict[str, bytes], path: Path) -> None:
        _write_zip(path, files)
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr("config.yaml", "model: {_target_: os.system}")

    def bomb(name: str) -> Callable[[dict[str, bytes], Path], None]:
        def make(files: dict[str, bytes], path: Path) -> None:
            _write_zip(path, {**files, name: bytes(200 * 2**20)}, zipfile.ZIP_DEFLATED)

        return make

    def swapped(files: dict[str, bytes], path: Path) -> None:
        _write_zip(path, {**files, "config.yaml": files["config.yaml"] + b"\nother: 1\n"})

    def pickled(files: dict[str, bytes], path: Path) -> None:
        raw = pickle.dumps(_Call(os.system, f"touch {canary}"))
        _write_zip(path, {**files, "weights.safetensors": raw})

    yield "two members of one name", twice
    yield "a bomb for weights", bomb("weights.safetensors")
    yield "a bomb for text", bomb("model.json")
    yield "a config that was exchanged", swapped
    yield "a pickle for weights", pickled


def _changed(text: str, change: Callable[[dict[str, Any]], str | None]) -> str:
    cfg = yaml.safe_load(text)
    cfg.setdefault("callbacks", {})
    replaced = change(cfg)
    return replaced if isinstance(replaced, str) else yaml.safe_dump(cfg)


def _load(place: Path, content: dict[str, Any]) -> None:
    torch.save(content, place / "x.ckpt")
    load_trained(place / "x.ckpt")


def _load_bytes(place: Path, content: bytes) -> None:
    (place / "x.ckpt").write_bytes(content)
    load_trained(place / "x.ckpt")


def _load_config(place: Path, sound: dict[str, Any], text: str) -> None:
    _load(place, {**sound, "outtake": {**sound["outtake"], "config": text}})


def _reproduce(place: Path, text: str) -> None:
    (place / "config.yaml").write_text(text)
    (place / "metrics.jsonl").write_text("")
    (place / "summary.json").write_text("{}")
    reproduce(compose("train", [f"reproduce={place}/summary.json"]), place / "new")


def _resume(place: Path, run: Path, text: str) -> None:
    (place / "checkpoints").mkdir()
    (place / "config.yaml").write_text(text)
    os.link(run / "checkpoints" / "last.ckpt", place / "checkpoints" / "last.ckpt")
    train(compose("train", [f"resume={place}"]), overrides=[f"resume={place}"])


def _bundle(run: Path) -> dict[str, bytes]:
    from outtake.programs.export import export

    path = run.parent / f"{run.name}-sound.zip"
    export(compose("export", [f"checkpoint={run}", f"output={path}"]))
    load_trained(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write_zip(path: Path, files: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _load_zip(
    place: Path, files: dict[str, bytes], make: Callable[[dict[str, bytes], Path], None]
) -> None:
    assert json.loads(files["model.json"])
    make(files, place / "x.zip")
    load_trained(place / "x.zip")
