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
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from outtake.core.files import finite
from outtake.pages.templates import read_asset, render_template

_DATA_BLOCK = re.compile(r'(<script type="application/json" id="data">)([^<]*)(</script>)')


def render_page(title: str, script: str, data: Mapping[str, Any]) -> str:
    """Return a page that needs no other file and no network.

    Args:
        title: The title of the window, which is untrusted.
        script: The name of a script in ``assets/`` without its ending: ``comparison``,
            ``evaluation`` or ``sweep``.
        data: What the script draws, which is untrusted; NaN becomes null.
    """
    code = read_asset("common.js") + read_asset(f"{script}.js")
    policy = (
        f"default-src 'none'; script-src '{_csp_hash(code)}' '{_csp_hash(plotly_source())}'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return render_template(
        "page.html.jinja",
        policy=policy,
        title=title,
        style=read_asset("page.css"),
        data=escape_json(data),
        plotly=_compressed_plotly(),
        script=code,
    )


def rewrite_page_data(page: str, change: Callable[[Any], Any]) -> str | None:
    """Return a page that shows other data; None if :func:`render_page` did not make it.

    Args:
        page: The page.
        change: A function from the page's data, as plain containers, to the new data.
    """
    block = _DATA_BLOCK.search(page)
    try:
        data = json.loads(block[2]) if block else None
    except ValueError:
        return None
    if block is None or not isinstance(data, dict):
        return None
    return page[: block.start(2)] + escape_json(change(data)) + page[block.end(2) :]


def escape_json(data: Mapping[str, Any]) -> str:
    """Return strict JSON that cannot end the element that it stands in."""
    text = json.dumps(finite(data), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def plotly_source() -> str:
    """Return the script of the chart library."""
    # The Python package carries only the whole library, no partial bundle: 4.7 MB as text.
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text


@cache
def _compressed_plotly() -> str:
    # Compressed it is less than half of that; browsers decompress it by themselves.
    return base64.b64encode(gzip.compress(plotly_source().encode(), 6, mtime=0)).decode()


def _csp_hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
