"""What a refused login says about its cause, and what it never shows."""

import logging
import pickle
import socket
import threading
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import pytest
from dialogues import STAMP, Script, Tokens, attempt, capable, safe
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import (
    ArchiverError,
    LoginRefused,
    ProtocolError,
    ServerUnavailable,
    SessionLost,
)
from archiver.pop3 import Credentials, Security, Server, Session
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.mechanisms import MECHANISMS
from archiver.pop3.protocol import Protocol
from archiver.pop3.transport import Transport

EVERY = [mechanism.sasl for mechanism in MECHANISMS.values() if mechanism.sasl]
PASSWORD = "correct-horse, =battery"
TOKENS = ("ya29.a0AfB_by-secret", "ya29.renewed-secret")


def _refused(reply: Reply, auth: str = "user") -> ArchiverError:
    script = Script(reply, reply, peer=safe(*EVERY, greeting=STAMP))
    with pytest.raises(ArchiverError) as caught:
        attempt(script, auth, certificate=True, token=Tokens("t", "t"))
    return caught.value


@pytest.mark.parametrize(
    ("said", "words", "hint"),
    [
        ("[AUTH] wrong", "user name or password is wrong", "app password"),
        ("[SYS/PERM] broken", "will not pass", "provider"),
        ("account locked", "login was refused", "switched on"),
        ("Authentication failed (bad password?)", "password is wrong", "switched on"),
        ("Login failed.", "password is wrong", "switched on"),
        ("invalid credentials", "password is wrong", "switched on"),
        ("", "gave no reason", "switched on"),
        ("[AUTH] Username and password not accepted.", "is wrong", "Gmail wants an app password"),
        (
            "[AUTH] Application-specific password required: https://support.google.com/x",
            "not taken for POP3",
            "make an app password",
        ),
        (
            "[WEBALERT https://accounts.google.com/x] Web login required.",
            "web browser",
            "with a browser",
        ),
        ("[ALERT] Please log in via your web browser", "web browser", "with a browser"),
        ("Logon failure: unknown user name or bad password.", "refused", "archiver login"),
        ("Basic authentication is disabled.", "no passwords", "archiver login"),
        ("[AUTH] (#AUTH012) Incorrect username or password.", "is wrong", "Yahoo and AOL"),
        ("(#MBR1212) Incorrect username or password.", "is wrong", "Yahoo and AOL"),
        ("Your account is not enabled for POP access", "switched off", "switch POP3 on"),
        ("[SYS/PERM] POP3 access is disabled", "switched off", "switch POP3 on"),
        ("mechanism not supported", "does not do this", "setting auth"),
        ("Unknown command.", "does not do this", "setting auth"),
    ],
)
def test_causes_that_stay(said: str, words: str, hint: str) -> None:
    """A refusal says which of them it was and what to do, with the server's own words."""
    error = _refused(Reply(False, _code(said), said))
    assert type(error) is LoginRefused
    assert words in error.message
    assert hint in error.hint
    assert said in error.message


@pytest.mark.parametrize(
    ("said", "code", "hint"),
    [
        ("[IN-USE] busy", "IN-USE", "another program"),
        ("[LOGIN-DELAY] wait", "LOGIN-DELAY", "between logins"),
        ("[SYS/TEMP] oops", "SYS/TEMP", "try later"),
        ("maildrop already locked", "IN-USE", "another program"),
        ("unable to lock the mailbox", "IN-USE", "another program"),
        ("please wait a minute", "IN-USE", "another program"),
        ("Temporary authentication failure", "SYS/TEMP", "try later"),
        ("too many connections", "SYS/TEMP", "try later"),
    ],
)
@pytest.mark.parametrize("auth", MECHANISMS)
def test_causes_that_pass(auth: str, said: str, code: str, hint: str) -> None:
    """What passes by itself is no refused login, and its code tells what to wait for."""
    error = _refused(Reply(False, _code(said), said), auth)
    assert type(error) is ServerUnavailable
    assert error.code == code
    assert hint in error.hint
    assert said in error.message
    assert pickle.loads(pickle.dumps(error)).code == code


@pytest.mark.parametrize(
    ("auth", "words"),
    [("xoauth2", "access token was"), ("external", "certificate was"), ("plain", "password is")],
)
def test_what_was_refused(auth: str, words: str) -> None:
    """A refusal names what was refused: password, token or certificate."""
    assert words in _refused(Reply(False, "AUTH", "[AUTH] no"), auth).message


def _code(said: str) -> str:
    """The code as the protocol reads it."""
    protocol = Protocol()
    protocol.feed(b"-ERR " + said.encode() + b"\r\n")
    event = protocol.next_event()
    assert isinstance(event, Reply)
    return event.code


class Echo:
    """A server that repeats all that it was told, wrapped in what ends a session."""

    def __init__(self, wrap: Callable[[str], bytes]) -> None:
        self._wrap = wrap
        self.heard: list[str] = []
        self._more = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        connection = self._listener.accept()[0]
        connection.sendall(f"+OK ready {STAMP}\r\n".encode())
        with connection, connection.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                answer = self._answer(line.decode().removesuffix("\r\n"))
                if not answer:
                    return
                connection.sendall(answer)

    def _answer(self, line: str) -> bytes:
        verb, _, rest = line.partition(" ")
        if verb == "CAPA":
            return b"+OK\r\nUSER\r\nSASL " + " ".join(EVERY).encode() + b"\r\n.\r\n"
        if verb == "USER":
            return b"+OK\r\n"
        self.heard += [line, *_unwrapped(rest or line)]
        if verb == "AUTH":
            self._more = rest == "LOGIN"
            if rest.startswith("SCRAM"):
                return _salted(b64decode(rest.split(" ")[1]).decode())
            if " " not in rest:
                return b"+ PDFAaG9zdD4=\r\n"
        elif self._more:
            self._more = False
            return b"+ \r\n"
        return self._wrap(" ".join(self.heard))


def _salted(first: str) -> bytes:
    """The first challenge of SCRAM."""
    nonce = first.partition("r=")[2]
    return b"+ " + b64encode(f"r={nonce}x,s=QSXCR+Q6sek8bf92,i=4096".encode()) + b"\r\n"


def _unwrapped(text: str) -> list[str]:
    words = text.split(" ")
    found = []
    for word in words:
        try:
            found.append(b64decode(word, validate=True).decode())
        except ValueError:
            continue
    return [part for whole in found for part in (whole, *whole.split("\0"))]


WRAPS: dict[str, Callable[[str], bytes]] = {
    "a refusal": lambda heard: f"-ERR {heard}\r\n".encode(),
    "a refusal with a code": lambda heard: f"-ERR [AUTH] {heard}\r\n".encode(),
    "a busy mailbox": lambda heard: f"-ERR [IN-USE] {heard}\r\n".encode(),
    "nonsense": lambda heard: f"{heard}\r\n".encode(),
    "a challenge": lambda heard: b"+ " + b64encode(heard.encode()) + b"\r\n",
    "a token's refusal": lambda heard: (
        b"+ " + b64encode(b'{"status": "' + heard[-90:].encode() + b'"}') + b"\r\n"
    ),
    "nothing": lambda heard: b"",
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=list(WRAPS))
@pytest.mark.parametrize("auth", [*MECHANISMS, "auto"])
def test_no_secret_is_shown(
    auth: str,
    wrap: Callable[[str], bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that repeats secrets finds them in no error, log, or attribute of the session."""
    caplog.set_level(logging.DEBUG)
    # The certificate is shown in TLS, which this server has not.
    monkeypatch.setattr(Transport, "secured", property(lambda _: auth == "external"))
    password = None if auth in ("external", "xoauth2", "oauthbearer") else PASSWORD
    token = Tokens(*TOKENS) if auth in ("xoauth2", "oauthbearer") else None
    credentials = Credentials("user", password, "", token, auth == "external")
    with (
        Echo(wrap) as echo,
        Session.open(Server("127.0.0.1", echo.port, Security.PLAIN)) as session,
    ):
        with pytest.raises(ArchiverError) as caught:
            session.sign_in(credentials, auth=auth)
        error = caught.value
        shown = (
            *traceback.format_exception(error),
            *(error.hint, repr(error), repr(vars(session)), repr(credentials), caplog.text),
        )
    said = {heard for heard in echo.heard if len(heard) > 12}
    # An empty response shows nothing.
    secrets = {PASSWORD, *TOKENS, *said} - {"AUTH EXTERNAL ="}
    assert not [secret for secret in secrets if secret in "\n".join(shown)]


ANSWERS = st.one_of(
    st.builds(
        Reply,
        st.booleans(),
        st.sampled_from(["", "AUTH", "IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM", "X"]),
        st.text(max_size=40),
    ),
    st.builds(Challenge, st.binary(max_size=60)),
    st.just(Challenge(b"")),
    st.just(SessionLost("lost pop.example")),
    st.just(ProtocolError("nonsense")),
)


@given(
    answers=st.lists(ANSWERS, min_size=12, max_size=12),
    auth=st.sampled_from([*MECHANISMS, "auto"]),
    sasl=st.lists(st.sampled_from(EVERY), unique=True),
    greeting=st.sampled_from(["", STAMP, "Microsoft Exchange"]),
    secured=st.booleans(),
)
def test_any_answers(
    answers: list[Reply | Challenge | Exception],
    auth: str,
    sasl: list[str],
    greeting: str,
    secured: bool,
) -> None:
    """Whatever a server answers, signing in succeeds or fails in one of the expected ways."""
    peer = Peer("pop.example", 995, greeting, capable(*sasl), secured=secured)
    script = Script(*answers, peer=peer)
    token = Tokens(*TOKENS)
    try:
        name = attempt(script, auth, token=token, certificate=True)
    except (LoginRefused, ServerUnavailable):
        return
    except ArchiverError as error:
        assert not secured and auth == "external", error
        return
    assert name in MECHANISMS
