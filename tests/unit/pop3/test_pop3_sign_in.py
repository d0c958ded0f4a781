import pytest

from archiver.errors import (
    ArchiverError,
    LoginRefused,
    ProtocolError,
    ServerUnavailable,
    UsageError,
)
from archiver.pop3.capabilities import Capabilities
from archiver.pop3.credentials import Credentials
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.rules import Verb
from archiver.pop3.sign_in import MECHANISMS, sign_in

OK = Reply(True, "", "")
NO = Reply(False, "", "authentication failed")
BOTH = Capabilities(user=True, sasl=frozenset({"PLAIN"}), advertised=True)
PLAIN = "AUTH PLAIN AHVzZXIAc2VjcmV0"


class Script:
    """A session that answers as written and records what it was told."""

    def __init__(self, *answers: Reply | Challenge) -> None:
        self.answers = list(answers)
        self.said: list[str] = []

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        self.said.append(f"{verb.name} {arguments.decode()}")
        return self.answers.pop(0)

    def respond(self, octets: bytes) -> Reply | Challenge:
        self.said.append(repr(octets))
        return self.answers.pop(0)

    def cancel(self) -> Reply | Challenge:
        self.said.append("*")
        return self.answers.pop(0)


def _sign_in(
    script: Script, capabilities: Capabilities = BOTH, mechanism: str = "auto", password: str = ""
) -> str:
    return sign_in(script, Credentials("user", password or "secret"), capabilities, mechanism)


def test_plain_where_advertised() -> None:
    """SASL PLAIN in one line is tried first where the server advertises it."""
    script = Script(OK)
    assert _sign_in(script) == "plain"
    assert script.said == [PLAIN]


@pytest.mark.parametrize("capabilities", [Capabilities(), Capabilities(user=True, advertised=True)])
def test_user_and_pass_otherwise(capabilities: Capabilities) -> None:
    """Without SASL PLAIN it is USER and PASS."""
    script = Script(OK, OK)
    assert _sign_in(script, capabilities) == "user"
    assert script.said == ["USER user", "PASS secret"]


def test_one_fallback_without_a_reason() -> None:
    """-ERR to PLAIN without a code is followed by USER and PASS, once."""
    script = Script(NO, OK, OK)
    assert _sign_in(script) == "user"
    assert script.said == [PLAIN, "USER user", "PASS secret"]
    script = Script(NO, OK, NO)
    with pytest.raises(LoginRefused, match="authentication failed"):
        _sign_in(script)
    assert len(script.said) == 3


def test_no_fallback_where_user_is_not_offered() -> None:
    """USER is not tried on a server that says what it has, and has it not."""
    script = Script(NO)
    with pytest.raises(LoginRefused):
        _sign_in(script, Capabilities(sasl=frozenset({"PLAIN"}), advertised=True))
    assert script.said == [PLAIN]


def test_no_pass_behind_a_refused_user() -> None:
    """A password is not sent for a name that the server refuses."""
    script = Script(NO)
    with pytest.raises(LoginRefused):
        _sign_in(script, mechanism="user")
    assert script.said == ["USER user"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_chosen_mechanism_alone(mechanism: str) -> None:
    """A mechanism that was chosen is the only one tried."""
    script = Script(NO)
    with pytest.raises(LoginRefused):
        _sign_in(script, mechanism=mechanism)
    assert len(script.said) == 1


def test_unknown_mechanism() -> None:
    """A mechanism that does not exist is a mistake in the settings."""
    with pytest.raises(UsageError, match="rot13"):
        _sign_in(Script(), mechanism="rot13")


@pytest.mark.parametrize(
    ("code", "text", "kind", "hint"),
    [
        ("AUTH", "[AUTH] wrong", LoginRefused, "app password"),
        ("SYS/PERM", "[SYS/PERM] broken", LoginRefused, "provider"),
        ("IN-USE", "[IN-USE] busy", ServerUnavailable, "another program"),
        ("LOGIN-DELAY", "[LOGIN-DELAY] wait", ServerUnavailable, "between logins"),
        ("SYS/TEMP", "[SYS/TEMP] oops", ServerUnavailable, "try later"),
        ("", "maildrop already locked", ServerUnavailable, "another program"),
        ("", "unable to lock the mailbox", ServerUnavailable, "another program"),
        ("", "please wait a minute", ServerUnavailable, "another program"),
        ("", "account locked", LoginRefused, "switched on"),
        ("", "", LoginRefused, "switched on"),
    ],
)
def test_reasons_are_told_apart(code: str, text: str, kind: type, hint: str) -> None:
    """What passes by itself is no refused login, and each reason has its advice."""
    refusal = Reply(False, code, text)
    with pytest.raises(ArchiverError) as caught:
        _sign_in(Script(OK, refusal), mechanism="user")
    assert type(caught.value) is kind
    assert hint in caught.value.hint
    assert (text or "no reason") in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("code", ["AUTH", "IN-USE", "SYS/TEMP"])
def test_no_second_attempt_for_a_reason(code: str) -> None:
    """A reason that another mechanism would not change is not tried against twice."""
    script = Script(Reply(False, code, f"[{code}]"))
    with pytest.raises((LoginRefused, ServerUnavailable)):
        _sign_in(script)
    assert len(script.said) == 1


def test_two_steps() -> None:
    """A server that asks for the response in a step of its own gets it there."""
    script = Script(Challenge(b""), OK)
    assert _sign_in(script) == "plain"
    assert script.said == [PLAIN, repr(b"\0user\0secret")]


def test_long_secret_in_two_steps() -> None:
    """A secret that makes the command longer than 255 octets goes in a step of its own."""
    script = Script(Challenge(b""), OK)
    _sign_in(script, password="x" * 300)
    assert script.said == ["AUTH PLAIN", repr(b"\0user\0" + b"x" * 300)]
    script = Script(OK)
    _sign_in(script, password="x" * 175)
    assert len(script.said[0]) + 2 <= 255


def test_unexpected_challenge_is_cancelled() -> None:
    """A challenge that PLAIN cannot answer is cancelled, and the -ERR to that counts."""
    script = Script(Challenge(b""), Challenge(b"more"), Reply(False, "AUTH", "[AUTH] no"))
    with pytest.raises(LoginRefused):
        _sign_in(script)
    assert script.said[-1] == "*"


def test_endless_challenges() -> None:
    """A server that goes on asking after that does not speak POP3."""
    with pytest.raises(ProtocolError):
        _sign_in(Script(Challenge(b""), Challenge(b""), Challenge(b"")))


@pytest.mark.parametrize("character", ["\r", "\n", "\0"])
def test_command_injection(character: str) -> None:
    """A line end or NUL in user name or password is refused before anything is sent."""
    for user, password in ((f"u{character}DELE 1", "p"), ("u", f"p{character}DELE 1")):
        with pytest.raises(UsageError) as caught:
            Credentials(user, password)
        assert "DELE" not in caught.value.message


def test_password_is_not_shown() -> None:
    """Printing credentials does not show the password."""
    assert "secret" not in repr(Credentials("user", "secret"))


def test_eight_bit_secrets() -> None:
    """User name and password are sent as UTF-8."""
    script = Script(OK, OK)
    sign_in(script, Credentials("zoë", "grün"), Capabilities(), "user")
    assert script.said == ["USER zoë", "PASS grün"]
