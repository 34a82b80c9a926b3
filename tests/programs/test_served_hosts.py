"""Who can reach a served page, and by which names it answers."""

import pytest

from outtake.core.errors import ConfigError
from outtake.programs.local_server import listen
from outtake.programs.served_hosts import find_served_hosts


def test_this_machine_alone_by_default():
    found = find_served_hosts("127.0.0.1", False, [])
    assert found.names == ("127.0.0.1", "localhost") and not found.remote
    assert find_served_hosts("::1", False, []).names[0] == "[::1]"


def test_others_only_where_it_was_said_and_by_names_that_were_named():
    found = find_served_hosts("0.0.0.0", True, ["Lab-PC.local", "192.168.1.5"])
    assert found.remote
    assert found.names == ("lab-pc.local", "192.168.1.5", "127.0.0.1", "localhost")
    assert find_served_hosts("192.168.1.5", True, []).names[0] == "192.168.1.5"
    # What a page of another site may call this machine is no name of it.
    assert "evil.example" not in found.names and "0.0.0.0" not in found.names


@pytest.mark.parametrize(
    ("host", "allowed", "names", "said"),
    [
        ("0.0.0.0", False, [], "allow_remote=true"),
        ("192.168.1.5", False, [], "ssh -L"),
        ("lab-pc", False, [], "allow_remote"),
        ("::", True, [], "host_names"),
        ("0.0.0.0", True, [], "host_names"),
        ("a b", True, [], "neither a name"),
        ("127.0.0.1", False, ["evil\r\nX: 1"], "neither a name"),
        ("", False, [], "neither a name"),
    ],
)
def test_what_cannot_be_is_one_line(host, allowed, names, said):
    with pytest.raises(ConfigError, match=said) as refused:
        find_served_hosts(host, allowed, names)
    assert "\n" not in str(refused.value)


def test_a_port_that_is_taken_and_an_address_of_nobody_are_one_line():
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port={port}: cannot be used .*port=0"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match="cannot be used"):
        listen("192.0.2.1", 0)
