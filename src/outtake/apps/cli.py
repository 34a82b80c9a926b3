"""What every root script shares: an error of the user is one line and exit code 2."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from outtake.errors import OuttakeError

DEBUG_VARIABLE = "OUTTAKE_DEBUG"
USER_ERROR = 2
INTERRUPTED = 130


def run(main: Callable[[], Any]) -> None:
    """Run a ``@hydra.main`` function as a program.

    Errors that a user can cause are printed as one line and exit with 2; Ctrl-C exits with 130.
    With ``OUTTAKE_DEBUG=1`` the traceback comes first.
    """
    # Hydra would print its own errors over many lines and exit with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except (OuttakeError, HydraException, OmegaConfBaseException) as error:
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        print(f"error: {explain(error)}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", USER_ERROR))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def explain(error: BaseException) -> str:
    """Return one line: the innermost message that says something to a user."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OuttakeError):
            return str(cause)
        cause = cause.__cause__
    text = " ".join(str(error).split())
    choices = re.search(
        r"Could not find '([^']+)/([^'/]+)' Available options in '[^']+': "
        r"(.*?)(?: Config search.*)?$",
        text,
    )
    if choices:
        group, option, allowed = choices.groups()
        return f"{group}={option}: no such option; allowed are {', '.join(allowed.split())}"
    unknown = re.match(r"Could not override '([^']+)'\.", text)
    if unknown:
        return (
            f"{unknown[1]}: no such config key; see --cfg job for all keys, or add a new one with "
            f"+{unknown[1]}=VALUE"
        )
    missing = re.match(r"Missing mandatory value: (\S+)", text)
    if missing:
        return f"{missing[1]} has no value: set it on the command line, as in {missing[1]}=VALUE"
    return re.sub(r" ?(full_key|object_type|reference_type)[:=].*$", "", text)
