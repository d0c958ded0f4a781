"""Whatever a server says, a session ends in success or in an error that a server may cause.

Here the fuzzer runs for some seconds and always alike; ``scripts/fuzz`` lets it run for longer.
Each input that it ever found is a test of its own, named for what went wrong.
"""

import pytest
from hypothesis import HealthCheck, given, settings

from archiver.config import parse_server
from archiver.errors import LoginRefused, ServerUnavailable, UsageError
from archiver.pop3.certificate import Certificate, read_certificate
from infra.fuzz import pop3, values
from infra.fuzz.by_hypothesis import inputs
from infra.fuzz.pieces import CUT, ECHO, WORD
from infra.fuzz.plan import Flag, Plan
from infra.fuzz.targets import TARGETS

QUICK = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
GREETING = b"+OK <1@a>\r\n"
CAPA = b"+OK\r\nSASL PLAIN LOGIN XOAUTH2 OAUTHBEARER CRAM-MD5\r\n.\r\n"
MORE = b"+ \r\n"


@settings(QUICK, max_examples=1500)
@given(inputs(TARGETS["session"]))
def test_any_server(octets: bytes) -> None:
    """No input leads to another error, to a session left open, or to a secret that is shown."""
    pop3.session(octets)


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "session"])
def test_anything_else(name: str) -> None:
    """Certificates, answers of authorization servers, settings and URLs of any octets are read."""

    @settings(QUICK, max_examples=300)
    @given(inputs(TARGETS[name]))
    def run(octets: bytes) -> None:
        TARGETS[name].run(octets)

    run()


def _refused(auth: str, *answers: bytes) -> pop3.Seen:
    """What came of signing in with a server that answers so."""
    plan = Plan(auth=auth, flags=Flag.TOKEN)
    seen = pop3.session(plan.write() + CUT.join((GREETING, CAPA, *answers)))
    assert isinstance(seen.error, LoginRefused | ServerUnavailable)
    return seen


@pytest.mark.parametrize(
    ("auth", "answers"),
    [
        ("plain", (b"-ERR unknown: " + ECHO + b"\r\n",)),
        ("apop", (b"-ERR unknown: " + WORD + b"\r\n",)),
        ("user", (b"+OK\r\n", b"-ERR unknown: " + ECHO + b"\r\n")),
        ("login", (MORE, MORE, b"-ERR [AUTH] " + ECHO + b"\r\n")),
        ("cram-md5", (b"+ PDFAYT4=\r\n", b"-ERR [IN-USE] " + ECHO + b"\r\n")),
    ],
)
def test_repeated_in_a_transcript(auth: str, answers: tuple[bytes, ...]) -> None:
    """A transcript showed the secret when the server repeated what it did not understand."""
    assert any("repeats a secret" in line for line in _refused(auth, *answers).transcript)


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_long_token_repeated(auth: str) -> None:
    """A token too long for an error's line was shown as far as the line went."""
    seen = _refused(auth, MORE, b"-ERR what? " + ECHO + b"\r\n")
    assert "repeats a secret" in str(seen.error)


@pytest.mark.parametrize("answer", [b"-ERR ", b"", b"+OK "])
def test_repeated_after_signing_in(answer: bytes) -> None:
    """A server whose answers lag behind showed the secret in the error of a later command."""
    plan = Plan(auth="plain", actions=(6, 8))
    late = answer + b"AGphbmUuZG9lAGNvcnJlY3QgaG9yc2UsID0gYmF0dGVyeSAnc3RhcGxlJw==\r\n"
    words = CUT.join((GREETING, CAPA, b"+OK\r\n", CAPA, b"+OK\r\n", late))
    seen = pop3.session(plan.write() + words)
    assert "repeats a secret" in "".join(map(str, [seen.error, *seen.refusals]))


@pytest.mark.parametrize(
    "time", [b"00010101000000+1400", b"99991231235959-1400"], ids=["first", "last"]
)
def test_certificate_at_the_end_of_time(time: bytes) -> None:
    """A time beyond the calendar once it is in UTC ended with OverflowError."""
    assert read_certificate(_valid_at(b"\x18\x13" + time)) == Certificate()


def test_certificate_with_a_number_for_a_name() -> None:
    """A name of a kind that asn1crypto does not know ended with AttributeError."""
    (whole,) = values.certificates()
    octets = bytearray(whole)
    at = octets.rindex(b"pop.example.com", 0, octets.index(b"\x03\x55\x1d"))
    octets[at - 3], octets[at - 2] = 0x7F, 0x09  # the kind of name, and the type of its value
    assert read_certificate(bytes(octets)) == Certificate()


def _valid_at(time: bytes) -> bytes:
    """A certificate that is valid from this time to this time, each with tag and length."""
    (whole,) = values.certificates()
    # SEQUENCE of a UTCTime and a GeneralizedTime (RFC 5280 section 4.1.2.5).
    at = whole.index(b"\x30\x20\x17\x0d")
    inner = whole[8:at] + bytes((0x30, 2 * len(time))) + 2 * time + whole[at + 34 :]
    grown = len(inner) + 8 - len(whole)
    outer, signed = (int.from_bytes(whole[place : place + 2], "big") for place in (2, 6))
    return b"\x30\x82%b\x30\x82%b%b" % (
        (outer + grown).to_bytes(2, "big"),
        (signed + grown).to_bytes(2, "big"),
        inner,
    )


def test_reason_phrase_with_a_secret() -> None:
    """The words of a status line were shown as they came: a secret, or what moves a cursor."""
    for words in (b"refresh-4711", b"\x1b[2J"):
        values.endpoint(b"HTTP/1.1 503 " + words + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, "a = " + "9" * 5000], ids=["deep", "long number"]
)
def test_settings_that_tomllib_cannot_read(text: str) -> None:
    """Tables too deep, and a number too long, ended with errors that are not tomllib's own."""
    values.settings(text.encode())


@pytest.mark.parametrize(
    "octets", [b"pop3://a%40\xacb@[::1]:110/", b":hunter2hunter2@://"], ids=["octet", "password"]
)
def test_urls(octets: bytes) -> None:
    """A user's name that is no UTF-8 was let through; a password in an odd place was shown."""
    values.urls(octets)
    with pytest.raises(UsageError):
        parse_server(octets.decode("utf-8", "surrogateescape"))
