"""Under which names a served page answers, and whether other machines may ask for it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from outtake.core.errors import ConfigError
from outtake.core.printable_text import to_printable
from outtake.programs.local_server import HOST

_LOOPBACK = (HOST, "localhost")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True)
class ServedHosts:
    """Where a page is served.

    Attributes:
        address: What is listened on.
        names: The names that the address of a request may have, the one to be printed first.
        remote: Whether other machines can ask.
    """

    address: str
    names: tuple[str, ...]
    remote: bool


def find_served_hosts(host: str, allow_remote: bool, host_names: Sequence[str]) -> ServedHosts:
    """Return where a page is served, as its config says.

    Args:
        host: The address that is listened on.
        allow_remote: Whether it may be one that other machines reach.
        host_names: Further names by which they call this machine.

    Raises:
        ConfigError: A name is none; other machines would reach it and may not; or all addresses
            are listened on and none is named.
    """
    for name in (host, *host_names):
        if not _NAME.fullmatch(name) and _address(name) is None:
            raise ConfigError(
                f"host: {to_printable(name)[:80]!r} is neither a name nor an address of a machine"
            )
    address = _address(host)
    loopback = host == "localhost" or (address is not None and address.is_loopback)
    if not loopback and not allow_remote:
        raise ConfigError(
            f"host={host}: other machines would reach this page, which reads and writes files of "
            "this one; add allow_remote=true if that is meant, or keep host=127.0.0.1 and use "
            "ssh -L PORT:127.0.0.1:PORT from there"
        )
    everywhere = address is not None and address.is_unspecified
    if everywhere and not host_names:
        raise ConfigError(
            f"host={host}: listens on all addresses of this machine; name those by which it is "
            "called, as in host_names=[192.168.1.5,lab-pc.local]"
        )
    own = [] if everywhere else [host]
    names = dict.fromkeys([*([] if loopback else host_names), *own, *host_names, *_LOOPBACK])
    return ServedHosts(host, tuple(map(_bracket, names)), not loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _bracket(name: str) -> str:
    return f"[{name}]" if ":" in name else name.lower()
