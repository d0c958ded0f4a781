"""A mailbox by hand: POP3 commands as a person types them, over a session that is signed in.

What one uses telnet or ``openssl s_client`` for, without their traps: a command that has no place
here is not sent, a message is read to its true end, and nothing is deleted by accident. Only a
QUIT that was asked for carries anything out; every other end leaves the mailbox as it was.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from archiver.config import AccountSettings
from archiver.errors import ServerRefused, ServerUnavailable, SessionLost
from archiver.ledger import Ledger
from archiver.ledger.waiting import find_account
from archiver.mailbox import limits, mailbox
from archiver.pop3 import Chunk, Finished, Refused, Session, Started, Transcript, retires
from archiver.pop3.events import Lines, Reply
from archiver.pop3.rules import Verb
from archiver.state import StatePaths
from archiver.verbs.pop_commands import MESSAGES, Command

Sink = Callable[[bytes], object]
"""Takes the octets of a message, piece by piece."""

_NAMED = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to.

    ``text`` are the server's words behind +OK or -ERR, ``lines`` those of a listing, octets as
    latin-1, which loses none. The octets of a message go to the sink instead.
    """

    ok: bool
    text: str
    lines: tuple[str, ...] = ()


class Hand:
    """A session in a person's hands, which knows what its QUIT would do.

    As a context manager it ends the session without deleting, unless it was quit.

    Args:
        session: signed in.
        retiring: QUIT removes what was retrieved.
    """

    def __init__(self, session: Session, *, retiring: bool) -> None:
        self._session = session
        self._retiring = retiring
        self._open = True
        self.marked: set[int] = set()
        self.retrieved: set[int] = set()

    @classmethod
    def open(cls, account: AccountSettings, state: Path, transcript: Transcript | None) -> Self:
        """Connects and signs in with an account's settings.

        Args:
            account: the settings.
            state: the state directory, where tokens may lie.
            transcript: hears everything, without secrets.

        Raises:
            LoginRefused: the server does not let us in.
            ServerUnavailable: it cannot be reached, or not now.
            UsageError: a secret or the settings cannot be used.
        """
        place = mailbox(account, state)
        session = Session.open(place.server, limits(account), transcript)
        try:
            session.sign_in(place.credentials, utf8=session.capabilities.utf8, auth=place.auth)
        except BaseException:
            session.drop()
            raise
        seen = _was_seen_retiring(account.name, StatePaths(state).ledger)
        retiring = seen or retires(account.server.host, session.capabilities)
        return cls(session, retiring=retiring)

    @property
    def losing(self) -> tuple[int, ...]:
        """The messages that QUIT would delete: those marked, and where it retires those read."""
        return tuple(sorted(self.marked | (self.retrieved if self._retiring else set())))

    def perform(self, command: Command, sink: Sink) -> Answer:
        """Sends a command and takes all of its answer.

        Args:
            command: what to send.
            sink: takes the octets of a message.

        Raises:
            SessionLost: the connection broke or is over; what QUIT did is then not known.
        """
        before = set(self.retrieved)
        if command.verb is Verb.RETR:
            # If its answer is cut off, the server may hold the message for retrieved all the same.
            self.retrieved.add(command.number)
        try:
            answer = self._ask(command, sink)
        except SessionLost as error:
            if command.verb is Verb.QUIT and self.losing:
                raise _unknown(error, self.losing) from error
            raise
        if not answer.ok:
            self.retrieved = before
        if answer.ok and command.verb is Verb.DELE:
            self.marked.add(command.number)
        elif answer.ok and command.verb is Verb.RSET:
            self.marked.clear()
        elif command.verb is Verb.QUIT:
            self.drop()
        return answer

    def _ask(self, command: Command, sink: Sink) -> Answer:
        ok, text, lines = True, "", list[str]()
        about = command.number if command.verb in (*MESSAGES, Verb.DELE) else 0
        for event in self._session.converse(command.verb, command.arguments.encode(), about):
            match event:
                case Reply(ok, _, text):
                    pass
                case Refused(_, _, text):
                    ok = False
                case Started(_, text):
                    pass
                case Lines(found):
                    lines += [line.decode("latin-1") for line in found]
                case Chunk(octets):
                    sink(octets)
                case Finished():
                    text = event.text or text
        return Answer(ok, text, tuple(lines))

    def leave(self) -> None:
        """Ends the session so that nothing is deleted: RSET and QUIT, or a dropped connection."""
        with suppress(ServerUnavailable, ServerRefused):
            if self._open and self.marked and self.perform(Command(Verb.RSET), _ignore).ok:
                self.marked.clear()
            if self._open and not self.losing:
                self._session.quit()
        self.drop()

    def drop(self) -> None:
        """Closes the connection: nothing is deleted."""
        self._open = False
        self._session.drop()

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the session without deleting."""
        self.leave()


def _was_seen_retiring(name: str, path: Path) -> bool:
    """Whether a run saw this account's server retire what was retrieved."""
    if not path.exists():
        return False
    with Ledger.open(path) as ledger:
        return find_account(ledger, name).retires


def _unknown(error: SessionLost, losing: tuple[int, ...]) -> SessionLost:
    return SessionLost(
        f"{error.message}; it did not say whether it deleted {named(losing)}",
        hint="LIST in a new session shows what is left",
    )


def _ignore(octets: bytes) -> None:
    """Takes octets that nobody wants."""


def named(numbers: Iterable[int]) -> str:
    """Messages by number, for people: the first 20 of them."""
    found = [str(number) for number in numbers]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more
