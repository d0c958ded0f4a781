"""What each mechanism says, by the examples of its RFC where there are any."""

import pytest
from dialogues import MORE, NO, OK, STAMP, WRONG, Script, attempt, clear, safe

from archiver.errors import LoginRefused, ProtocolError, UsageError
from archiver.pop3.capabilities import time_stamp
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.mechanisms import MECHANISMS

PLAIN = "AUTH PLAIN AHVzZXIAc2VjcmV0"
ALL = safe("PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", greeting=f"hello {STAMP}")
EXCHANGE = safe("PLAIN", greeting="The Microsoft Exchange POP3 service is ready.")


def test_user_and_pass() -> None:
    """USER and PASS carry name and password as they are, in UTF-8 and with spaces at the end."""
    script = Script(OK, OK)
    assert attempt(script, "user", user="zoë", password="grün ") == "user"
    assert script.said == ["USER zoë", "PASS grün "]


def test_no_pass_behind_a_refused_user() -> None:
    """A password is not sent for a name that the server refuses."""
    script = Script(NO)
    with pytest.raises(LoginRefused):
        attempt(script, "user")
    assert script.said == ["USER user"]


def test_plain() -> None:
    """PLAIN goes in one line: authzid, name and password with NUL between them (RFC 4616)."""
    script = Script(OK, peer=ALL)
    assert attempt(script, "plain") == "plain"
    assert script.said == [PLAIN]
    script = Script(MORE, OK, peer=ALL)
    attempt(script, "plain", user="Kurt", password="xipj3plmq", authzid="Ursel")
    assert script.said[1] == "> Ursel\0Kurt\0xipj3plmq"


def test_plain_is_not_prepared() -> None:
    """PLAIN carries a password octet for octet, whatever SASLprep would make of it."""
    script = Script(MORE, OK, peer=ALL)
    attempt(script, "plain", password="ⅸ \N{SOFT HYPHEN}\N{GRINNING FACE}")
    assert script.said[1] == "> \0user\0ⅸ \N{SOFT HYPHEN}\N{GRINNING FACE}"


def test_plain_in_two_steps() -> None:
    """A server that asks for the response in a step of its own gets it there."""
    script = Script(MORE, OK, peer=ALL)
    assert attempt(script, "plain") == "plain"
    assert script.said == [PLAIN, "> \0user\0secret"]


def test_long_secret_in_two_steps() -> None:
    """A secret that makes the command longer than 255 octets goes in a step of its own."""
    script = Script(MORE, OK, peer=ALL)
    attempt(script, "plain", password="x" * 300)
    assert script.said == ["AUTH PLAIN", "> \0user\0" + "x" * 300]
    longest = [len(_one_line(size)) + 2 for size in range(170, 180)]
    assert max(longest) in range(252, 256)


def _one_line(size: int) -> str:
    script = Script(MORE, OK, peer=ALL)
    attempt(script, "plain", password="x" * size)
    return script.said[0]


def test_two_steps_for_exchange() -> None:
    """Exchange, which hangs up on a response in the command's line, gets it in its own."""
    script = Script(MORE, OK, peer=EXCHANGE)
    attempt(script, "plain")
    assert script.said == ["AUTH PLAIN", "> \0user\0secret"]


def test_two_steps_after_a_complaint_about_the_form() -> None:
    """A server that knows no response in the command's line (RFC 1734) is told once more."""
    complaint = Reply(False, "", "syntax error: too many arguments")
    script = Script(complaint, MORE, OK, peer=ALL)
    assert attempt(script, "plain") == "plain"
    assert script.said == [PLAIN, "AUTH PLAIN", "> \0user\0secret"]
    script = Script(complaint, NO, peer=ALL)
    with pytest.raises(LoginRefused, match="denied"):
        attempt(script, "plain")


def test_login() -> None:
    """LOGIN gives the name, then the password, whatever words ask for them."""
    for first, second in ((b"Username:", b"Password:"), (b"User Name\0", b""), (b"", b"")):
        script = Script(Challenge(first), Challenge(second), OK, peer=ALL)
        assert attempt(script, "login") == "login"
        assert script.said == ["AUTH LOGIN", "> user", "> secret"]


def test_login_without_such_a_user() -> None:
    """A password is not sent where LOGIN ended at the name."""
    script = Script(MORE, WRONG, peer=ALL)
    with pytest.raises(LoginRefused):
        attempt(script, "login")
    assert script.said == ["AUTH LOGIN", "> user"]


def test_cram_md5() -> None:
    """The example of RFC 2195 section 2."""
    script = Script(Challenge(b"<1896.697170952@postoffice.reston.mci.net>"), OK, peer=ALL)
    attempt(script, "cram-md5", user="tim", password="tanstaaftanstaaf")
    assert script.said == ["AUTH CRAM-MD5", "> tim b913a602c7eda7a495b4e6e7334d3890"]


def test_apop() -> None:
    """The example of RFC 1939 section 7."""
    greeting = f"POP3 server ready {STAMP}"
    script = Script(OK, peer=safe(greeting=greeting))
    attempt(script, "apop", user="mrose", password="tanstaaf")
    assert script.said == ["APOP mrose c4c9334bac560ecc979e58001b3e22fb"]


@pytest.mark.parametrize(
    ("greeting", "stamp"),
    [
        ("ready", ""),
        ("<no at sign>", ""),
        ("<a b@c>", ""),
        ("<a\N{REPLACEMENT CHARACTER}@b>", ""),
        ("<ä@b>", ""),
        ("x <<1.2@host> y", "<1.2@host>"),
        ("<1@[127.0.0.1]> ready", "<1@[127.0.0.1]>"),
    ],
)
def test_time_stamps(greeting: str, stamp: str) -> None:
    """Only a msg-id in printable ASCII is a time stamp: others are made to find out a password."""
    assert time_stamp(greeting) == stamp


def test_external() -> None:
    """EXTERNAL says nothing, or whose mailbox to open, in one line or two."""
    script = Script(OK, peer=ALL)
    assert attempt(script, "external", certificate=True, password=None) == "external"
    assert script.said == ["AUTH EXTERNAL ="]
    script = Script(MORE, OK, peer=ALL)
    attempt(script, "external", certificate=True)
    assert script.said == ["AUTH EXTERNAL =", "> "]
    script = Script(OK, peer=ALL)
    attempt(script, "external", certificate=True, authzid="fred@example.com")
    assert script.said == ["AUTH EXTERNAL ZnJlZEBleGFtcGxlLmNvbQ=="]


def test_unexpected_challenge_is_cancelled() -> None:
    """A challenge that nobody expects is cancelled, and the -ERR to that counts."""
    for name, asked in (("plain", 2), ("login", 3), ("cram-md5", 2)):
        script = Script(*[MORE] * asked, WRONG, peer=ALL)
        with pytest.raises(LoginRefused, match="denied"):
            attempt(script, name)
        assert script.said[-1] == "*"


@pytest.mark.parametrize("last", [MORE, OK])
def test_exchange_that_cannot_be_cancelled(last: Challenge | Reply) -> None:
    """A server that goes on asking after that, or lets us in, does not speak POP3."""
    with pytest.raises(ProtocolError):
        attempt(Script(MORE, MORE, last, peer=ALL), "plain")


@pytest.mark.parametrize("character", ["\r", "\n", "\0"])
def test_command_injection(character: str) -> None:
    """A line end or NUL in name, password or authzid is refused, and not shown."""
    bad = f"x{character}DELE 1"
    for user, password, authzid in ((bad, "p", ""), ("u", bad, ""), ("u", "p", bad)):
        with pytest.raises(UsageError) as caught:
            Credentials(user, password, authzid)
        assert "DELE" not in caught.value.message


def test_unknown_mechanism() -> None:
    """A mechanism that does not exist is a mistake in the settings."""
    with pytest.raises(UsageError, match="rot13") as caught:
        attempt(Script(), "rot13")
    assert "scram-sha-256" in caught.value.hint


@pytest.mark.parametrize("name", MECHANISMS)
def test_what_the_settings_lack(name: str) -> None:
    """A mechanism whose secret is missing is a mistake in the settings, and nothing is sent."""
    script = Script(peer=ALL)
    with pytest.raises(UsageError, match="needs") as caught:
        attempt(script, name, password=None)
    assert caught.value.hint
    assert script.said == []


def test_certificate_without_tls() -> None:
    """A certificate proves nothing where there is no TLS to show it in."""
    with pytest.raises(UsageError, match="TLS"):
        attempt(Script(peer=clear("EXTERNAL")), "external", certificate=True)


@pytest.mark.parametrize("name", ["user", "login", "cram-md5", "apop", "xoauth2"])
def test_authzid_that_cannot_be_said(name: str) -> None:
    """A mechanism that cannot name another's mailbox says which ones can."""
    script = Script(peer=ALL)
    with pytest.raises(UsageError, match=r"mailbox of boss as user") as caught:
        attempt(script, name, authzid="boss", token=lambda *, refused=False: "t")
    assert "plain" in caught.value.hint
    assert script.said == []


@pytest.mark.parametrize("name", [n for n, m in MECHANISMS.items() if m.sasl])
def test_named_but_not_offered(name: str) -> None:
    """A mechanism that the server says it has not is not tried; what it has is listed."""
    script = Script(peer=safe("GSSAPI"))
    with pytest.raises(LoginRefused, match="does not offer") as caught:
        attempt(script, name, certificate=True, token=lambda *, refused=False: "t")
    assert "GSSAPI, USER and PASS" in caught.value.hint
    assert script.said == []


@pytest.mark.parametrize("name", [n for n, m in MECHANISMS.items() if m.sasl])
def test_named_where_nothing_is_known(name: str) -> None:
    """On a server without CAPA a named mechanism is tried all the same."""
    script = Script(WRONG, WRONG, peer=Peer(secured=True))
    with pytest.raises(LoginRefused):
        attempt(script, name, certificate=True, token=lambda *, refused=False: "t")
    assert script.said[0].startswith("AUTH ")


def test_apop_without_a_time_stamp() -> None:
    """APOP cannot be tried where the greeting has no time stamp."""
    script = Script(peer=safe(greeting="hello"))
    with pytest.raises(LoginRefused, match="time stamp"):
        attempt(script, "apop")
    assert script.said == []


def test_user_is_tried_when_named() -> None:
    """USER and PASS, older than CAPA, are tried by name also where CAPA keeps silent of them."""
    assert attempt(Script(OK, OK, peer=safe("GSSAPI", user=False)), "user") == "user"


def test_secrets_are_not_shown() -> None:
    """Printing credentials shows neither password nor token."""
    shown = repr(Credentials("user", "secret", token=lambda *, refused=False: "token"))
    assert "secret" not in shown
    assert "lambda" not in shown
