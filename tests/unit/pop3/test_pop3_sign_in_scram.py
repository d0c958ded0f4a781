"""SCRAM by the examples of RFC 5802 and RFC 7677, and against servers that prove nothing."""

import time
from base64 import b64decode, b64encode

import pytest
from dialogues import MORE, NO, OK, WRONG, Script, attempt, safe
from scramp import ScramMechanism

from archiver.errors import LoginRefused, ProtocolError, UsageError
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.rules import Verb

BOTH = safe("SCRAM-SHA-1", "SCRAM-SHA-256")
NONCE = "fyko+d2lbbFgONRv9qkxdawL"
FIRST = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
FINAL = "> c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
PROOF = b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="


@pytest.fixture
def nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nonce of RFC 5802's example."""
    monkeypatch.setattr("scramp.core.token_hex", lambda: NONCE)


def _sha_1(script: Script) -> str:
    return attempt(script, "scram-sha-1", password="pencil")


def _initial(script: Script) -> str:
    return b64decode(script.said[0].split(" ")[2]).decode()


@pytest.mark.usefixtures("nonce")
def test_example_of_rfc_5802() -> None:
    """The example of RFC 5802 section 5; the server's last message is answered with nothing."""
    script = Script(Challenge(FIRST), Challenge(PROOF), OK, peer=BOTH)
    assert _sha_1(script) == "scram-sha-1"
    assert _initial(script) == f"n,,n=user,r={NONCE}"
    assert script.said[1:] == [FINAL, "> "]


def test_example_of_rfc_7677(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of RFC 7677 section 3."""
    monkeypatch.setattr("scramp.core.token_hex", lambda: "rOprNGfwEbeRWgbNEkqO")
    both = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    script = Script(
        Challenge(f"r={both},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()),
        Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
        OK,
        peer=BOTH,
    )
    assert attempt(script, "scram-sha-256", password="pencil") == "scram-sha-256"
    assert _initial(script) == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert script.said[1:] == [f"> c=biws,r={both},p={proof}", "> "]


@pytest.mark.usefixtures("nonce")
def test_in_two_steps() -> None:
    """A server that passes over the response in the command's line gets it in its own."""
    script = Script(MORE, Challenge(FIRST), Challenge(PROOF), OK, peer=BOTH)
    assert _sha_1(script) == "scram-sha-1"
    assert script.said[1:] == [f"> n,,n=user,r={NONCE}", FINAL, "> "]


@pytest.mark.usefixtures("nonce")
def test_proof_behind_ok() -> None:
    """The server's last message is also taken behind +OK, where RFC 5034 has none."""
    granted = Reply(True, "", b64encode(PROOF).decode() + " welcome")
    script = Script(Challenge(FIRST), granted, peer=BOTH)
    assert _sha_1(script) == "scram-sha-1"
    assert script.said[1:] == [FINAL]


@pytest.mark.usefixtures("nonce")
@pytest.mark.parametrize(
    "answer",
    [
        OK,
        Reply(True, "", "welcome"),
        Reply(True, "", b64encode(PROOF.replace(b"v=r", b"v=s")).decode()),
        Challenge(PROOF.replace(b"v=r", b"v=s")),
        Challenge(b"v="),
        Challenge(b"\xff"),
        MORE,
    ],
)
def test_server_that_proves_nothing(answer: Reply | Challenge) -> None:
    """A server that cannot prove that it knows the password is told nothing more."""
    script = Script(Challenge(FIRST), answer, peer=BOTH)
    with pytest.raises(LoginRefused, match="did not prove") as caught:
        _sha_1(script)
    assert script.said[1:] == [FINAL]
    assert "pencil" not in caught.value.message


@pytest.mark.usefixtures("nonce")
@pytest.mark.parametrize("auth", ["scram-sha-1", "auto"])
def test_granted_without_an_exchange(auth: str) -> None:
    """A server that lets us in before it has proven anything is not trusted either."""
    with pytest.raises(LoginRefused, match="did not prove"):
        attempt(Script(OK, peer=safe("SCRAM-SHA-1", "PLAIN")), auth)


@pytest.mark.usefixtures("nonce")
def test_error_in_the_last_message() -> None:
    """What SCRAM itself says went wrong is shown with the refusal behind it."""
    script = Script(Challenge(FIRST), Challenge(b"e=invalid-proof"), WRONG, peer=BOTH)
    with pytest.raises(LoginRefused, match=r"denied \(invalid-proof\)"):
        _sha_1(script)
    script = Script(Challenge(FIRST), Challenge(b"e=invalid-proof"), OK, peer=BOTH)
    with pytest.raises(LoginRefused, match="did not prove"):
        _sha_1(script)


@pytest.mark.usefixtures("nonce")
@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"e=unknown-user", "unknown-user"),
        (FIRST.replace(b"fyko", b"fyka"), "nonce doesn't match"),
        (b"r=" + NONCE.encode() + b",s=QSXCR+Q6sek8bf92,i=4096", "nonce must be longer"),
        (FIRST.replace(b"i=4096", b"i=1"), "4096"),
        (FIRST.replace(b"i=4096", b"i=x"), "digits"),
        (FIRST.replace(b"s=QSXCR+Q6sek8bf92", b"s=QQ=="), "salt"),
        (FIRST.replace(b"s=QSXCR+Q6sek8bf92", b"s=*"), "base 64"),
        (b"m=ext," + FIRST, "'m' attribute"),
        (b"\xff\xfe", "cannot be answered"),
        (b"hello", "cannot be answered"),
    ],
)
def test_challenge_that_cannot_be_answered(message: bytes, words: str) -> None:
    """A first message that breaks the RFC is cancelled, and the error says what was wrong."""
    script = Script(Challenge(message), NO, peer=BOTH)
    with pytest.raises(LoginRefused, match=words):
        _sha_1(script)
    assert script.said[1:] == ["*"]


@pytest.mark.usefixtures("nonce")
@pytest.mark.parametrize("rounds", [b"10000001", b"2147483648", b"9" * 5000])
def test_hostile_rounds(rounds: bytes) -> None:
    """A server that asks for hours of hashing is refused at once."""
    script = Script(Challenge(FIRST.replace(b"4096", rounds)), NO, peer=BOTH)
    began = time.process_time()
    with pytest.raises(LoginRefused, match="cannot be answered"):
        _sha_1(script)
    assert time.process_time() - began < 1
    assert script.said[1:] == ["*"]


def test_endless_exchange() -> None:
    """A server that has another challenge behind its proof is cancelled."""
    server = Server("pencil")
    script = Scripted(server, Challenge(b"more"), NO)
    with pytest.raises(LoginRefused):
        attempt(script, "scram-sha-256", password="pencil")
    assert script.said[-1] == "*"
    with pytest.raises(ProtocolError):
        attempt(Scripted(Server("pencil"), MORE, OK), "scram-sha-256", password="pencil")


@pytest.mark.parametrize(
    ("user", "password"),
    [("zoë", "grün"), ("a=b,c", "p,=w"), ("I\N{SOFT HYPHEN}X", "Ⅸ\N{NO-BREAK SPACE}x")],
)
def test_names_and_passwords_are_prepared(user: str, password: str) -> None:
    """Name and password are prepared (RFC 4013) and escaped, as an independent server has them."""
    server = Server(password)
    script = Scripted(server, OK)
    assert attempt(script, "scram-sha-256", user=user, password=password) == "scram-sha-256"
    assert server.users == [user.replace("\N{SOFT HYPHEN}", "")]


def test_whose_mailbox() -> None:
    """The authorization identity stands in the header, escaped, and is signed with it."""
    server = Server("secret")
    script = Scripted(server, OK)
    assert attempt(script, "scram-sha-256", authzid="a=b,c") == "scram-sha-256"
    assert server.header == "n,a=a=3Db=2Cc,"


@pytest.mark.parametrize("password", ["\N{GRINNING FACE}", "a\x07b", "\u0627x"])
def test_what_scram_cannot_carry(password: str) -> None:
    """A password that SASLprep forbids makes SCRAM a mistake, and auto goes past it."""
    script = Script(OK, peer=safe("SCRAM-SHA-256", "PLAIN"))
    with pytest.raises(UsageError, match="cannot carry") as caught:
        attempt(script, "scram-sha-256", password=password)
    assert password not in caught.value.message
    assert attempt(script, password=password) == "plain"


class Server:
    """The server's side of SCRAM-SHA-256, by scramp, which has no authorization identity."""

    def __init__(self, password: str) -> None:
        self.users: list[str] = []
        self.header = ""
        mechanism = ScramMechanism("SCRAM-SHA-256")
        secret = mechanism.make_auth_info(password)

        def find(user: str) -> object:
            self.users.append(user)
            return secret

        self._server = mechanism.make_server(find)

    def begin(self, message: str) -> bytes:
        self.header = message[: message.index(",n=") + 1]
        self._server.set_client_first("n,," + message.removeprefix(self.header))
        self._server.gs2_header = self
        return str(self._server.get_server_first()).encode()

    def make_cbind_input(self, _: object) -> bytes:
        return self.header.encode()

    def finish(self, message: str) -> bytes:
        self._server.set_client_final(message)
        return str(self._server.get_server_final()).encode()


class Scripted(Script):
    """A session with a server's side of SCRAM in it; the answers come behind that."""

    def __init__(self, server: Server, *answers: Reply | Challenge) -> None:
        super().__init__(*answers, peer=safe("SCRAM-SHA-256"))
        self._server = server
        self._steps = 0

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        self.said.append(f"{verb.name} {arguments.decode()}")
        return Challenge(self._server.begin(b64decode(arguments.split(b" ")[1]).decode()))

    def respond(self, octets: bytes) -> Reply | Challenge:
        self._steps += 1
        if self._steps > 1:
            return super().respond(octets)
        return Challenge(self._server.finish(octets.decode()))
