"""What every program shares: an error of the user is one line and exit code 2."""

from __future__ import annotations

import difflib
import logging
import os
import re
import shlex
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from outtake.config.compose import CONF_DIR, default_values
from outtake.config.group_overrides import list_options, settle_group_overrides
from outtake.config.plain_arguments import ArgumentRules, spell_out
from outtake.config.schema import nearest_key
from outtake.core.errors import OuttakeError, Terminated
from outtake.core.override_text import quote_override
from outtake.core.redact import redact, redact_tree
from outtake.core.signals import exit_at_interrupt
from outtake.core.trees import flatten
from outtake.programs.output_streams import install_lasting_streams
from outtake.programs.print_help import asks_for_help, print_help

DEBUG_VARIABLE = "OUTTAKE_DEBUG"
UNFORESEEN_ERROR_EXIT_CODE = 1
USER_ERROR_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130
TERMINATED_EXIT_CODE = 143
# Keys of a training that name files and folders.
TRAIN_PATHS = (
    "data.root", "data.source.root", "data.source.images", "data.source.masks",
    "data.source.classes", "data.source.csv", "init_from", "resume", "reproduce",
    "paths.data", "paths.runs",
)  # fmt: skip


def argument_rules(name: str, **rules: Any) -> ArgumentRules:
    """Return what the program with the config ``conf/<name>.yaml`` takes on its command line."""
    groups = tuple(path.name for path in CONF_DIR.iterdir() if path.is_dir())
    return ArgumentRules(name, default_values(name), groups=groups, **rules)


def run_program(main: Callable[[], Any], rules: ArgumentRules | None = None) -> None:
    """Run a ``@hydra.main`` function as a program.

    Errors that a user can cause are printed as one line and exit with 2, those of the system
    (names that are too long, a disk that is full) among them; Ctrl-C exits with 130, SIGTERM with
    143.
    With ``OUTTAKE_DEBUG=1`` the traceback comes first.

    Args:
        main: The function. One of Hydra calls ``raise_at_interrupt`` where its work begins.
        rules: How its arguments are written for Hydra; None for a program that reads its own.
    """
    # Hydra would print its own errors over many lines and exit with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    unset_empty_variables()
    install_lasting_streams()
    _set_up_logging()
    try:
        if rules is None:
            main()
            return
        sys.argv[1:] = settle_group_overrides(spell_out(sys.argv[1:], rules), CONF_DIR)
        if asks_for_help(sys.argv[1:]):
            print_help(rules.config, sys.argv[1:])
            return
        with exit_at_interrupt():
            main()
    except BrokenPipeError:
        raise
    except (OuttakeError, HydraException, OmegaConfBaseException, OSError) as error:
        exit_with_error(error)
    except KeyboardInterrupt as interrupt:
        by_system = isinstance(interrupt, Terminated)
        what, code = (
            ("terminated", TERMINATED_EXIT_CODE)
            if by_system
            else ("interrupted", INTERRUPTED_EXIT_CODE)
        )
        print("; ".join([what, *map(str, interrupt.args)]), file=sys.stderr)
        if any(each.name.startswith("outtake-") for each in threading.enumerate()):
            # A stage does not stop: the interpreter cannot end in order around it.
            if sys.stdout is not None:
                sys.stdout.flush()
            os._exit(code)
        sys.exit(code)


def unset_empty_variables() -> None:
    """Treat a variable of Outtake's paths that is empty as one that is not set."""
    for name in ("OUTTAKE_DATA", "OUTTAKE_RUNS"):
        if os.environ.get(name) == "":
            del os.environ[name]


def _set_up_logging() -> None:
    """Print each log record of the package as one line."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("outtake")
    package.handlers = [handler]
    package.setLevel(logging.INFO)
    package.propagate = False
    warnings.formatwarning = _format_warning


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Return one line for a warning of Outtake, which is for the user; others name their place."""
    if category.__module__.startswith("outtake."):
        return f"warning: {' '.join(str(message).split())}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


@contextmanager
def exit_at_errors() -> Iterator[None]:
    """End a single run at an error, inside a ``@hydra.main`` function.

    Hydra would print a line of its own about the job first, with all overrides, and a password may
    be among them. In a multirun it does, since that line names the job, and the other jobs
    continue. Secrets in Hydra's record of it are hidden.
    """
    try:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            _redact_multirun(Path(HydraConfig.get().sweep.dir) / "multirun.yaml")
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        if isinstance(error, OuttakeError | HydraException | OmegaConfBaseException | OSError):
            exit_with_error(error)
        sys.stderr.write(redact(traceback.format_exc()))
        sys.exit(UNFORESEEN_ERROR_EXIT_CODE)


def _redact_multirun(record: Path) -> None:
    import yaml

    from outtake.core.files import replace_text

    if not record.is_file():
        return
    tree = redact_tree(yaml.safe_load(record.read_text()))
    # All overrides in one text, in which none could be told from the next.
    tree["hydra"]["job"]["override_dirname"] = ",".join(tree["hydra"]["overrides"]["task"])
    replace_text(record, yaml.safe_dump(tree, sort_keys=False))


@contextmanager
def hydra_run_dir(hydra: HydraConf) -> Iterator[Path | None]:
    """Yield the run folder that Hydra's own options name; None if they name none.

    That is the folder of a job in a multirun, else ``hydra.run.dir``. Hydra has made it before it
    calls anything; it is deleted again if it stayed empty.
    """
    named = hydra.mode == RunMode.MULTIRUN or Path(hydra.run.dir) != Path()
    folder = Path(hydra.runtime.output_dir) if named else None
    try:
        yield folder
    finally:
        if folder is not None:
            with suppress(OSError):  # not empty, as it should be
                folder.rmdir()


def exit_with_error(error: BaseException) -> NoReturn:
    """Print one line and exit."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()
    else:
        # Objects of libraries that were left half made complain when they are deleted.
        sys.unraisablehook = lambda unraisable: None
    # In one piece: other processes of the run may print the same at the same time.
    sys.stderr.write(f"error: {explain_error(error)}\n")
    sys.exit(getattr(error, "exit_code", USER_ERROR_EXIT_CODE))


def explain_error(error: BaseException) -> str:
    """Return one line: the innermost message that a user can act on."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OuttakeError):
            return str(cause)
        cause = cause.__cause__
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return _explain_system_error(error)
    override = getattr(error, "override", None)
    if override is not None:
        said = (
            f"{override}: cannot be read as KEY=VALUE or GROUP=OPTION; brackets must be closed, "
            "and a text with spaces, commas or brackets quoted"
        )
        # A list or a mapping in quotes would be a text.
        whole = override.partition("=")[2].startswith(("[", "{"))
        return f"{said} inside of it" if whole else f"{said}, as in {quote_override(override)}"
    text = " ".join(str(error).split())
    choices = re.search(
        r"Could not find '([^']+)' Available options in '([^']+)': (.*?)(?: Config search.*)?$",
        text,
    )
    if choices:
        return _explain_option(*choices.groups())
    in_list = re.search(r"Could not load '(\w+)/([^']+)'", text)
    if in_list and (CONF_DIR / in_list[1]).is_dir():
        options = " ".join(list_options(CONF_DIR / in_list[1]))
        return _explain_option(in_list[2], in_list[1], options)
    merged = re.match(r"Error merging override ([^=]+)=(.*)$", text)
    if merged:
        return _explain_container(*merged.groups())
    unknown = re.match(r"Could not override '([^']+)'\.", text)
    if unknown:
        # Of a mapping that is given whole, the key in it that there is not.
        inner = re.search(r"full_key: (\S+)", str(error.__cause__))
        key = inner[1] if inner and inner[1].startswith(f"{unknown[1]}.") else unknown[1]
        near = nearest_key(key, _known_keys(error))
        if near == key:
            return f"{near}: this program has no such group; --help lists what it has"
        advice = f"did you mean {near}?" if near else "--cfg job shows all keys."
        return f"{key}: no such config key; {advice} (A new key is added with +{key}=VALUE.)"
    absent = re.match(r"Could not delete '([^']+)'\. No match in the defaults list", text)
    if absent:
        return f"{absent[1]}: this program has no such group; --help lists what it has"
    missing = re.match(r"Missing mandatory value: (\S+)", text)
    if missing:
        return f"{missing[1]} has no value: set it on the command line, as in {missing[1]}=VALUE"
    return re.sub(r" ?(full_key|object_type|reference_type)[:=].*$", "", text)


def _explain_system_error(error: OSError) -> str:
    """Return what the system refused, and where; the rest is in the traceback."""
    what = " ".join((error.strerror or str(error) or type(error).__name__).split())
    name = error.filename
    if name is not None:
        what = f"{os.fsdecode(name) if isinstance(name, bytes) else name}: {what}"
    return f"{what}; {DEBUG_VARIABLE}=1 shows where it happened"


def _explain_option(asked: str, group: str, options: str) -> str:
    """Say that a group has no such option, and what was probably meant."""
    option, allowed = asked.removeprefix(f"{group}/"), options.split()
    said = f"{group}={option}: no such option"
    if group == "remover" and option.isidentifier():
        said += f" (remove=[{option}] takes out the class {option})"
    if os.path.exists(os.path.expanduser(option)):
        name = {"data": "folder", "remover": Path(option).suffix[1:]}.get(group)
        if name in allowed:
            place = shlex.quote(f"{group}.{'root' if group == 'data' else 'path'}={option}")
            return f"{said}; for what lies there say {group}={name} {place}"
    similar = difflib.get_close_matches(option, allowed, 1)
    advice = f"did you mean {similar[0]}? Allowed" if similar else "allowed"
    return f"{said}; {advice} are {', '.join(allowed)}"


def _explain_container(key: str, value: str) -> str:
    """Say that a key takes a list where a mapping was given, or a mapping for a list."""
    name = key.lstrip("+")
    if value.startswith("{"):
        return f"{key}={value}: is a mapping, and {name} takes a list, as in {key}=[...]"
    return f"{key}={value}: must be a group of keys, set one by one, as in {name}.KEY=VALUE"


def _known_keys(error: BaseException) -> list[str]:
    """Return the dotted keys of the config that Hydra was composing, and its groups."""
    groups = [path.name for path in CONF_DIR.iterdir() if path.is_dir()]
    node: Any = getattr(error.__cause__, "parent_node", None)
    while node is not None and node._get_parent() is not None:
        node = node._get_parent()
    if not isinstance(node, DictConfig):
        return groups
    tree = OmegaConf.to_container(node, resolve=False)
    assert isinstance(tree, dict)
    keys = list(flatten({str(key): value for key, value in tree.items() if key != "hydra"}))
    parents = {key.rpartition(".")[0] for key in keys} - {""}
    return [*keys, *sorted(parents), *groups]
