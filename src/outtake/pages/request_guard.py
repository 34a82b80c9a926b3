"""Who may ask a page that is served to one person on one machine.

Whoever asks must know the token, by the address or by the cookie that it was changed into; a page
of another site that the same browser shows can neither read nor send anything, whatever name it
gives this machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MAX_PATH_CHARS = 2_000
_READING = ("GET", "HEAD")
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class RequestGuard:
    """Answers who may not ask with 4xx, and lets nobody else through.

    Args:
        app: What answers those who may.
        token: What they must know.
        port: The port that the address of a request must name.
        program: The program that serves the page.
        policy: The content security policy of all answers.
        methods: How it may be asked; what changes something must come from this page.
        hosts: The names of this machine, one of which the address of a request must have.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        port: int,
        program: str,
        policy: str,
        methods: Collection[str] = _READING,
        hosts: Collection[str] = LOOPBACK_NAMES,
    ) -> None:
        self._app, self._token, self._methods = app, token, methods
        self._program = program
        self._headers = {"Content-Security-Policy": policy, **_HEADERS}
        # Browsers leave out the port of http.
        self._hosts = {f"{host}:{port}" for host in hosts} | (set(hosts) if port == 80 else set())
        # Cookies are not told apart by port: two of these pages may be open.
        self._cookie = f"outtake_{program}_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        refused = self._refusal(request)
        if refused is not None:
            for name, value in self._headers.items():
                refused.headers[name] = value
            await refused(scope, receive, send)
            return
        cookie = self._new_cookie(request)
        await self._app(scope, receive, _with_headers(send, self._headers, cookie))

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to who may not ask, None for who may."""
        headers = request.headers
        host, origin = headers.get("host", ""), headers.get("origin")
        # A name of another site that leads to this machine is not one of ours.
        if host not in self._hosts:
            return PlainTextResponse("wrong host", 403)
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("wrong origin", 403)
        site = headers.get("sec-fetch-site", "same-origin")
        if request.url.path != "/" and site != "same-origin":
            return PlainTextResponse("wrong origin", 403)
        if request.method not in self._methods:
            return PlainTextResponse("method not allowed", 405)
        if request.method not in _READING and origin is None:
            return PlainTextResponse("wrong origin", 403)
        if len(str(request.url)) > _MAX_PATH_CHARS:
            return PlainTextResponse("too long", 414)
        if not self._knows_token(request):
            return PlainTextResponse(
                "this page needs the token of the address that outtake "
                f"{self._program} has printed",
                403,
            )
        return None

    def _knows_token(self, request: Request) -> bool:
        given = [request.cookies.get(self._cookie, "")]
        if request.url.path == "/":
            given.append(request.query_params.get("token", ""))
        # In any case the same time.
        return any([secrets.compare_digest(g.encode(), self._token.encode()) for g in given])

    def _new_cookie(self, request: Request) -> str | None:
        if request.url.path != "/" or "token" not in request.query_params:
            return None
        return f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"


def _with_headers(send: Send, fixed: Mapping[str, str], cookie: str | None) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            named = dict(fixed) | ({"Set-Cookie": cookie} if cookie else {})
            headers += [(name.lower().encode(), value.encode()) for name, value in named.items()]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_headers
