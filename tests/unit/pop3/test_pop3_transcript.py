"""What a transcript shows, and above all what it does not."""

from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest
from pop3_wire import greeted, signed_in
from scramp import ScramMechanism

from archiver.model import Listed
from archiver.pop3.capabilities import Capabilities
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.mechanisms import MECHANISMS
from archiver.pop3.protocol import Protocol
from archiver.pop3.rules import Verb
from archiver.pop3.sign_in import sign_in
from archiver.pop3.transcript import HIDDEN, command_line

PASSWORD = "open sesame, all of you"
TOKEN = "ya29.a-token-of-some-length"
STAMP = "<1896.697170952@dbc.mtview.ca.us>"
CHALLENGE = "<4711.0815@pop.example.com>"
REASON = b'{"status":"401","schemes":"bearer"}'


class Lines:
    """A transcript that is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def sent(self, line: str) -> None:
        self.lines.append(f"C: {line}")

    def received(self, line: str) -> None:
        self.lines.append(f"S: {line}")


Answers = Callable[[str], str]


class Wire:
    """A dialogue over a real protocol, whose server answers each line by a function.

    ``said`` is every word of the lines that went over the wire, in both directions.
    """

    def __init__(self, answers: Answers, transcript: Lines) -> None:
        self._answers = answers
        self._protocol = Protocol(transcript)
        self.said: list[str] = []
        self._hear(f"+OK ready {STAMP}")
        names = frozenset(one.sasl for one in MECHANISMS.values() if one.sasl)
        capabilities = Capabilities(user=True, sasl=names, advertised=True)
        greeting = f"ready {STAMP}"
        self.peer = Peer("pop.example.com", 995, greeting, capabilities, secured=True)

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        return self._say(self._protocol.send(verb, arguments))

    def respond(self, octets: bytes) -> Reply | Challenge:
        return self._say(self._protocol.respond(b64encode(octets)))

    def cancel(self) -> Reply | Challenge:
        return self._say(self._protocol.respond(b"*"))

    def _say(self, octets: bytes) -> Reply | Challenge:
        line = octets.decode().removesuffix("\r\n")
        self.said += line.split(" ")
        return self._hear(self._answers(line))

    def _hear(self, line: str) -> Reply | Challenge:
        self.said += line.split(" ")
        self._protocol.feed(f"{line}\r\n".encode())
        event = self._protocol.next_event()
        assert isinstance(event, Reply | Challenge)
        return event


def more(octets: bytes | str) -> str:
    """A challenge."""
    return "+ " + b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


def written(*answers: str) -> Answers:
    """A server that says these lines in their order."""
    left = list(answers)
    return lambda _: left.pop(0)


def scram(name: str, *, behind_ok: bool) -> Answers:
    """A server that proves itself; its last message comes as a challenge or behind +OK."""
    mechanism = ScramMechanism(name)
    known = mechanism.make_auth_info(PASSWORD, iteration_count=4096)
    server = mechanism.make_server(lambda _: known)
    steps = iter((server.set_client_first, server.set_client_final))

    def answer(line: str) -> str:
        if not line:
            return "+OK welcome"
        step = next(steps)
        step(b64decode(line.split(" ")[-1]).decode())
        if step == server.set_client_first:
            return more(server.get_server_first())
        last = more(server.get_server_final())
        return last.replace("+", "+OK", 1) if behind_ok else last

    return answer


SERVERS: dict[str, list[Callable[[], Answers]]] = {
    "external": [lambda: written("+OK welcome"), lambda: written("+ ", "+OK welcome")],
    "xoauth2": [
        lambda: written("+ ", "+OK welcome"),
        lambda: written("+ ", more(REASON), "-ERR no", "+ ", more(REASON), "-ERR no"),
    ],
    "oauthbearer": [
        lambda: written("+ ", "+OK welcome"),
        lambda: written("+ ", more(REASON), "-ERR no", "+ ", more(REASON), "-ERR no"),
    ],
    "scram-sha-256": [
        lambda: scram("SCRAM-SHA-256", behind_ok=False),
        lambda: scram("SCRAM-SHA-256", behind_ok=True),
    ],
    "scram-sha-1": [
        lambda: scram("SCRAM-SHA-1", behind_ok=False),
        lambda: scram("SCRAM-SHA-1", behind_ok=True),
    ],
    "plain": [
        lambda: written("+OK welcome"),
        lambda: written("+ ", "+OK welcome"),
        lambda: written("-ERR [AUTH] no"),
    ],
    "user": [lambda: written("+OK", "+OK welcome"), lambda: written("+OK", "-ERR [AUTH] no")],
    "login": [
        lambda: written(more("Username:"), more("Password:"), "+OK welcome"),
        lambda: written(more("Username:"), more("Password:"), more("Again:"), "-ERR [AUTH] no"),
    ],
    "cram-md5": [lambda: written(more(CHALLENGE), "+OK welcome")],
    "apop": [lambda: written("+OK welcome"), lambda: written("-ERR [AUTH] no")],
}
# What may be read by anybody: names of commands and mechanisms, who signs in, and plain words.
PUBLIC = {
    *("USER", "PASS", "APOP", "AUTH", "+", "+OK", "-ERR", "[AUTH]", "", "*", "="),
    *("me@example.com", "ready", "welcome", "no", STAMP),
    *(one.sasl for one in MECHANISMS.values()),
}


@pytest.mark.parametrize("name", MECHANISMS)
def test_no_secret_of_any_mechanism(name: str) -> None:
    """Neither password nor token, in no form, nor any challenge or response is in a transcript."""
    assert SERVERS[name], "every way to sign in is tried"
    for server in SERVERS[name]:
        transcript = Lines()
        wire = Wire(server(), transcript)
        credentials = Credentials(
            "me@example.com", PASSWORD, token=lambda *, refused=False: TOKEN, certificate=True
        )
        try:
            assert sign_in(wire, credentials, auth=name) == name
        except Exception as error:  # noqa: BLE001 - a refusal's words are looked at as well
            transcript.lines.append(str(error))
        shown = "\n".join(transcript.lines)
        secret = {word for word in wire.said if word not in PUBLIC} | {PASSWORD, TOKEN}
        secret |= {b64encode(word.encode()).decode() for word in (PASSWORD, TOKEN)}
        assert not [word for word in secret if word in shown], shown
        assert f"S: +OK ready {STAMP}" in shown


def test_what_is_shown_of_signing_in() -> None:
    """Commands and answers stand there as they were, with four asterisks for what is hidden."""
    transcript = Lines()
    wire = Wire(written(more(CHALLENGE), "+OK Welcome."), transcript)
    sign_in(wire, Credentials("me@example.com", PASSWORD), auth="cram-md5")
    wire = Wire(written("+OK", "-ERR [AUTH] no"), transcript)
    with pytest.raises(Exception, match="cannot sign in"):
        sign_in(wire, Credentials("me@example.com", PASSWORD), auth="user")
    assert transcript.lines == [
        f"S: +OK ready {STAMP}",
        "C: AUTH CRAM-MD5",
        "S: + ****",
        "C: ****",
        "S: +OK Welcome.",
        f"S: +OK ready {STAMP}",
        "C: USER me@example.com",
        "S: +OK",
        "C: PASS ****",
        "S: -ERR [AUTH] no",
    ]


@pytest.mark.parametrize("verb", Verb)
def test_nothing_is_shown_unasked(verb: Verb) -> None:
    """Of a verb that nobody has decided about no argument is shown, and of no verb a password."""
    line = command_line(verb, b"first second third")
    if verb.name in ("USER", "UIDL", "LIST", "TOP", "RETR", "DELE"):
        assert line == f"{verb.name} first second third"
    elif verb.name in ("APOP", "AUTH"):
        assert line == f"{verb.name} first {HIDDEN}"
    else:
        assert line == f"{verb.name} {HIDDEN}"
    assert command_line(verb, b"") == verb.name


def test_listings_and_messages() -> None:
    """Each line of a listing is there; of a message its status and how many octets it had."""
    transcript = Lines()
    protocol = Protocol(transcript)
    said = (
        (Verb.GREETING, b"", b"+OK\r\n"),
        (Verb.USER, b"x", b"+OK\r\n"),
        (Verb.PASS, b"y", b"+OK in\r\n"),
        (Verb.UIDL, b"", b"+OK\r\n1 a\x1b[31m\r\n2 b\r\n.\r\n"),
        (Verb.LIST, b"2", b"+OK 2 12\r\n"),
        (Verb.RETR, b"2", b"+OK 12 octets\r\nSubject: secret\r\n\r\n..x\r\n.\r\n"),
        (Verb.DELE, b"2", b"-ERR no\r\n"),
    )
    for verb, arguments, answer in said:
        about = Listed(2, None, None) if verb in (Verb.RETR, Verb.DELE) else None
        if verb is not Verb.GREETING:
            protocol.send(verb, arguments, about)
        protocol.feed(answer)
        while protocol.next_event() is not None:
            pass
    assert transcript.lines == [
        "S: +OK",
        *("C: USER x", "S: +OK", "C: PASS ****", "S: +OK in"),
        *("C: UIDL", "S: +OK", "S: 1 a\N{REPLACEMENT CHARACTER}[31m", "S: 2 b", "S: ."),
        *("C: LIST 2", "S: +OK 2 12"),
        *("C: RETR 2", "S: +OK 12 octets", "S: (23 octets)"),
        *("C: DELE 2", "S: -ERR no"),
    ]


def test_one_line_answers() -> None:
    """LIST and UIDL of one message are answered by a line, and of all of them by a listing."""
    protocol = signed_in()
    protocol.send(Verb.UIDL, b"7")
    protocol.feed(b"+OK 7 u7\r\n")
    assert protocol.next_event() == Reply(True, "", "7 u7")
    protocol.send(Verb.RSET)
    protocol.feed(b"+OK\r\n")
    assert protocol.next_event() == Reply(True, "", "")
    with pytest.raises(RuntimeError, match="no place"):
        greeted().send(Verb.LIST, b"7")
