import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.pop3.capabilities import Capabilities, read_capabilities

DOVECOT = [b"CAPA", b"TOP", b"UIDL", b"RESP-CODES", b"PIPELINING", b"AUTH-RESP-CODE", b"STLS"]


def test_dovecot() -> None:
    """What Dovecot advertises is understood."""
    read = read_capabilities([*DOVECOT, b"USER", b"SASL PLAIN LOGIN"])
    assert read.top
    assert read.uidl
    assert read.pipelining
    assert read.stls
    assert read.user
    assert not read.utf8
    assert read.sasl == {"PLAIN", "LOGIN"}
    assert (read.expire, read.login_delay) == (None, None)
    assert read.advertised
    assert read.lines[0] == "CAPA"


def test_gmail() -> None:
    """Gmail's EXPIRE 0 and LOGIN-DELAY are numbers."""
    read = read_capabilities([b"USER", b"EXPIRE 0", b"LOGIN-DELAY 300", b"SASL PLAIN XOAUTH2"])
    assert (read.expire, read.login_delay) == (0, 300)
    assert not read.top


@pytest.mark.parametrize(
    ("line", "expire"),
    [
        (b"EXPIRE 0", 0),
        (b"expire 30 USER", 30),
        (b"EXPIRE NEVER", None),
        (b"EXPIRENEVER", None),
        (b"EXPIRE0", 0),
        (b"EXPIRE soon", None),
        (b"EXPIRED 0", None),
    ],
)
def test_expire_as_servers_write_it(line: bytes, expire: int | None) -> None:
    """Only a number of days is one, wherever the server puts its spaces."""
    assert read_capabilities([line]).expire == expire


def test_the_strictest_expire_counts() -> None:
    """Where a server contradicts itself, it is believed to remove soonest."""
    assert read_capabilities([b"EXPIRE NEVER", b"EXPIRE 7", b"EXPIRE 0"]).expire == 0


def test_any_case_and_spacing() -> None:
    """Names count in any case."""
    read = read_capabilities([b"top", b"  Sasl  plain\tlogin ", b"UTF8 USER"])
    assert read.top
    assert read.utf8
    assert read.sasl == {"PLAIN", "LOGIN"}


def test_nothing_is_known_without_capa() -> None:
    """A server without CAPA advertises nothing and says so."""
    assert not Capabilities().advertised


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_answer_is_read(lines: list[bytes]) -> None:
    """No answer to CAPA raises."""
    assert len(read_capabilities(lines).lines) == len(lines)
