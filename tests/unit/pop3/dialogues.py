"""A session that answers as written, for tests of signing in; no test of its own."""

from collections.abc import Iterable

from archiver.pop3.capabilities import Capabilities
from archiver.pop3.credentials import AccessToken, Credentials
from archiver.pop3.dialogue import Peer
from archiver.pop3.events import Challenge, Reply
from archiver.pop3.rules import Verb
from archiver.pop3.sign_in import sign_in

OK = Reply(True, "", "")
NO = Reply(False, "", "denied")
WRONG = Reply(False, "AUTH", "[AUTH] denied")
MORE = Challenge(b"")
STAMP = "<1896.697170952@dbc.mtview.ca.us>"

Answer = Reply | Challenge | Exception


class Script:
    """A session that answers as written and records what it was told, responses before base64."""

    def __init__(self, *answers: Answer, peer: Peer | None = None) -> None:
        self.answers: list[Answer] = list(answers)
        self.peer = peer or safe()
        self.said: list[str] = []

    def ask(self, verb: Verb, arguments: bytes = b"") -> Reply | Challenge:
        return self._hear(f"{verb.name} {arguments.decode()}" if arguments else verb.name)

    def respond(self, octets: bytes) -> Reply | Challenge:
        return self._hear("> " + octets.decode("utf-8", "replace"))

    def cancel(self) -> Reply | Challenge:
        return self._hear("*")

    def _hear(self, said: str) -> Reply | Challenge:
        self.said.append(said)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Tokens:
    """Gives one token after the other, and records when it was told that one was refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refused: list[bool] = []

    def __call__(self, *, refused: bool = False) -> str:
        self.refused.append(refused)
        return self.tokens.pop(0)


def capable(*sasl: str, user: bool = True) -> Capabilities:
    """A server that says what it has."""
    return Capabilities(user=user, sasl=frozenset(sasl), advertised=True)


def safe(*sasl: str, user: bool = True, greeting: str = "") -> Peer:
    """A server behind TLS."""
    return Peer("pop.example", 995, greeting, capable(*sasl, user=user), secured=True)


def clear(*sasl: str, user: bool = True, greeting: str = "", local: bool = False) -> Peer:
    """A server without TLS."""
    return Peer("pop.example", 110, greeting, capable(*sasl, user=user), local=local)


def attempt(
    script: Script,
    auth: str = "auto",
    *,
    user: str = "user",
    password: str | None = "secret",
    authzid: str = "",
    token: AccessToken | None = None,
    certificate: bool = False,
    cleartext: bool = False,
    remembered: str = "",
) -> str:
    """Signs in on a script."""
    credentials = Credentials(user, password, authzid, token, certificate, cleartext)
    return sign_in(script, credentials, auth=auth, remembered=remembered)


def words(said: Iterable[str]) -> list[str]:
    """What was said without its arguments, such as ``AUTH PLAIN`` and ``>``."""
    return [" ".join(line.split(" ")[: 2 if line.startswith("AUTH") else 1]) for line in said]
