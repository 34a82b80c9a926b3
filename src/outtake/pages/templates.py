"""The templates and scripts of ``assets/``, filled in by jinja2."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_ASSETS = Path(__file__).parent / "assets"


def render_template(name: str, **values: Any) -> str:
    """Fill in a template; in HTML every value is escaped unless the template says otherwise."""
    return _environment().get_template(name).render(**values)


@cache
def read_asset(name: str) -> str:
    """Return the text of a script or a style sheet."""
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _markdown_cell
    return environment


def _markdown_cell(value: Any) -> str:
    # The text may come out of somebody's config: it must not end the row or hold markup.
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
