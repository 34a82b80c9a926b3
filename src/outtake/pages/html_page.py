"""A page in one file: its data as JSON, its script, its style and the chart library.

Whatever comes out of run folders is untrusted. It enters the page in one place, a JSON block in
which ``<``, ``>`` and ``&`` are escaped, and reaches the document through ``textContent`` alone.
Should that ever fail, the page's content security policy lets no script run but the two whose
hashes it names, and lets nothing be fetched from anywhere.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from outtake.core.files import finite

_HERE = Path(__file__).parent
_BLOCK = re.compile(r'(<script type="application/json" id="data">)([^<]*)(</script>)')
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main id="page"></main>
<noscript>This page draws itself with a script that it carries; nothing is fetched.</noscript>
<script type="application/json" id="data">{data}</script>
<script type="text/plain" id="plotly">{plotly}</script>
<script>{script}</script>
</body>
</html>
"""


def render_page(title: str, script: str, data: Mapping[str, Any]) -> str:
    """Put a page together.

    Args:
        title: of the window; untrusted.
        script: which page: the name of a ``.js`` file beside this one, without its ending.
        data: what the script draws; untrusted; NaN becomes null.
    """
    code = _read_asset("common.js") + _read_asset(f"{script}.js")
    policy = (
        f"default-src 'none'; script-src '{_csp_hash(code)}' '{_csp_hash(_plotly_source())}'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return _PAGE.format(
        policy=html.escape(policy),
        title=html.escape(title),
        style=_read_asset("page.css"),
        data=escape_json(data),
        plotly=_compressed_plotly(),
        script=code,
    )


def rewrite_page_data(page: str, change: Callable[[Any], Any]) -> str | None:
    """Return a page that shows other data; None if it was not made by :func:`render_page`.

    Args:
        page: the page.
        change: from its data, plain containers, to what it shall show.
    """
    block = _BLOCK.search(page)
    try:
        data = json.loads(block[2]) if block else None
    except ValueError:
        return None
    if block is None or not isinstance(data, dict):
        return None
    return page[: block.start(2)] + escape_json(change(data)) + page[block.end(2) :]


def escape_json(data: Mapping[str, Any]) -> str:
    """Return strict JSON that can not end the element that it stands in."""
    text = json.dumps(finite(data), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _plotly_source() -> str:
    # The Python package carries the whole library only, no partial bundle: 4.7 MB as text.
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text


@cache
def _compressed_plotly() -> str:
    # Packed it is less than half of that; browsers unpack it with what they have built in.
    return base64.b64encode(gzip.compress(_plotly_source().encode(), 6, mtime=0)).decode()


@cache
def _read_asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _csp_hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
