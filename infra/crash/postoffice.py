"""The POP3 server of a schedule, in a process of its own that no disturbance reaches.

At every QUIT it looks into the store from outside, before it removes anything: whatever goes must
be readable there, and durable. Whatever was retrieved before a QUIT was agreed to has to be in the
store in the end, whoever deletes it.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Self

from infra.crash.letters import Letter
from infra.crash.power import STATE, STORE, Power
from infra.crash.witness import sha256
from infra.faulty_pop3 import FaultyPop3, Message

LOGIN = ("user", "secret")
_SECONDS = 60.0
_POLL_SECONDS = 0.0005


@dataclass(slots=True)
class Report:
    """What the server has seen so far.

    Args:
        left: what is in the mailbox.
        commands: how many commands it heard in each session since the last report.
        octets: how many octets it sent in each.
        removed: the digests of all that went at a QUIT.
        promised: the digests of all that was retrieved before a QUIT.
        faults: what went although it was not in the store, in words.
    """

    left: list[Letter] = field(default_factory=list)
    commands: tuple[int, ...] = ()
    octets: tuple[int, ...] = ()
    removed: set[str] = field(default_factory=set)
    promised: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to happen to the mailbox, once no session goes on.

    Args:
        arrive: letters that come.
        withdraw: letters that another client deletes, as far as they are there.
        drop_at: the commands heard after which each session from now on is cut, in turn; None does
            not cut it.
        drop_after: the octets sent after which it is.
        reset: whether cuts are resets.
    """

    arrive: tuple[Letter, ...] = ()
    withdraw: tuple[Letter, ...] = ()
    drop_at: tuple[int | None, ...] = ()
    drop_after: tuple[int | None, ...] = ()
    reset: bool = False


class PostOffice:
    """The server as its owner sees it.

    Args:
        letters: what is in the mailbox at first.
        faults: how it misbehaves all the time, as the fields of ``Faults``.
        power: the directory with the archive, which is below ``store``.
    """

    def __init__(self, letters: Sequence[Letter], faults: Mapping[str, Any], power: Power) -> None:
        """Forks, so this process must not have threads."""
        self._pipe, theirs = Pipe()
        self._process = os.fork()
        if self._process == 0:
            self._pipe.close()
            _serve(theirs, letters, faults, power)
        theirs.close()
        self.port = int(self._pipe.recv())

    def order(self, order: Order) -> Report:
        """Has something happen; says what the server saw until then."""
        self._pipe.send(order)
        report: Report = self._pipe.recv()
        return report

    def __enter__(self) -> Self:
        """Answers already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self._pipe.close()
        os.waitpid(self._process, 0)


def _serve(
    pipe: "Connection[Any, Any]",
    letters: Sequence[Letter],
    faults: Mapping[str, Any],
    power: Power,
) -> None:
    """All that the process does; it ends when the pipe does."""
    messages = [(letter.uidl, letter.octets) for letter in letters]
    with FaultyPop3(messages, login=LOGIN, **faults) as server:
        onlooker = _Onlooker(power, lenient="hides" in faults)
        server.onlooker = onlooker.look
        pipe.send(server.port)
        reported = 0
        while True:
            try:
                order = pipe.recv()
            except EOFError:
                os._exit(0)
            _wait_until_quiet(server)
            _obey(server, order)
            seen = onlooker.report
            seen.left = [Letter(each.uidl, each.octets) for each in server.mailbox]
            new = range(reported, server.sessions)
            seen.commands = tuple(server.traffic[number].commands for number in new)
            seen.octets = tuple(server.traffic[number].octets for number in new)
            pipe.send(seen)
            reported = server.sessions


def _wait_until_quiet(server: FaultyPop3) -> None:
    """A client that was killed may have said more than was answered."""
    deadline = time.monotonic() + _SECONDS
    while server.open:
        if time.monotonic() > deadline:
            raise TimeoutError("a session goes on and on")
        time.sleep(_POLL_SECONDS)


def _obey(server: FaultyPop3, order: Order) -> None:
    for letter in order.withdraw:
        there = (each for each in server.mailbox if (each.uidl, each.octets) == _key(letter))
        if (first := next(there, None)) is not None:
            server.mailbox.remove(first)
    server.mailbox += [Message(letter.uidl, letter.octets) for letter in order.arrive]
    begun = (None,) * server.sessions
    server.faults = replace(
        server.faults,
        drop_at=(*begun, *order.drop_at),
        drop_after=(*begun, *order.drop_after),
        reset=order.reset,
    )


def _key(letter: Letter) -> tuple[str, bytes]:
    return letter.uidl, letter.octets


class _Onlooker:
    """Looks at each QUIT; ``lenient`` takes the spool for the store."""

    def __init__(self, power: Power, *, lenient: bool) -> None:
        self.report = Report()
        self._power = power
        self._lenient = lenient

    def look(self, retrieved: Sequence[Message], going: Sequence[Message]) -> None:
        """Before anything is removed."""
        self.report.promised |= {sha256(message.octets) for message in retrieved}
        durable = dict(self._power.durable(STORE)) if going else {}
        for message in going:
            digest = sha256(message.octets)
            self.report.removed.add(digest)
            if self._is_spooled(message.octets):
                continue
            if not self._is_readable(digest):
                self.report.faults.append(f"{digest} was removed and cannot be read in the store")
            elif not any(
                path.endswith(f"/{digest}.eml") and octets == message.octets
                for path, octets in durable.items()
            ):
                self.report.faults.append(f"{digest} was removed before it was durable")

    def _is_readable(self, digest: str) -> bool:
        found = (self._power.root / STORE).rglob(f"{digest}.eml")
        return any(sha256(path.read_bytes()) == digest for path in found)

    def _is_spooled(self, octets: bytes) -> bool:
        """Whether a server that does not say that it removes took what is safe in the spool."""
        if not self._lenient:
            return False
        return any(octets in segment for _, segment in self._power.durable(STATE))
