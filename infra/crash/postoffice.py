"""The POP3 server of a schedule, in a process of its own that no disturbance reaches."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Self

from infra.crash.letters import Letter
from infra.crash.onlooker import Onlooker, Report
from infra.crash.power import STORE, Power
from infra.faulty_pop3 import FaultyPop3, Message

LOGIN = ("user", "secret")
_SECONDS = 60.0
_POLL_SECONDS = 0.0005


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
        onlooker = Onlooker(power.root / STORE, power, lenient="hides" in faults)
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
