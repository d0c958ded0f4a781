"""How much may be asked for before the answers are in.

RFC 2449 section 6.6: a client that writes more than the transport takes while nobody reads can
deadlock. All commands of a window together stay below 4 KiB, which any send buffer takes whole, so
that writing never waits for reading. The octets awaited are bounded too, by what LIST said, so that
a broken connection wastes little.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from archiver.model import Listed

MOST_COMMANDS = 200
"""The widest window: so many of the longest commands are 4 KiB."""


class Window:
    """Takes messages from a listing, lazily, as many as may be asked for now.

    Args:
        listed: the messages; one is taken ahead, to see its size.
        commands: how many may be outstanding; 1 asks one by one.
        octets: how many octets may be outstanding; None does not count them. A message without a
            known size counts as an equal share of them.

    ``ended`` says that every message was taken.
    """

    def __init__(self, listed: Iterable[Listed], commands: int, octets: int | None) -> None:
        """Takes nothing yet."""
        self._source: Iterator[Listed] = iter(listed)
        self._commands = max(1, min(commands, MOST_COMMANDS))
        self._octets = octets
        self._unknown = (octets or 0) // self._commands
        self._next: Listed | None = None
        self._weights: deque[int] = deque()
        self._weight = 0
        self.ended = False

    def refill(self) -> list[Listed]:
        """The messages to ask for now: none before half of the window has come in."""
        granted: list[Listed] = []
        if len(self._weights) * 2 > self._commands:
            return granted
        while len(self._weights) < self._commands:
            if self._next is None:
                self._next = next(self._source, None)
            if self._next is None:
                self.ended = True
                break
            weight = self._weigh(self._next)
            if self._weights and self._octets is not None and self._weight + weight > self._octets:
                break
            self._weights.append(weight)
            self._weight += weight
            granted.append(self._next)
            self._next = None
        return granted

    def release(self) -> None:
        """The oldest outstanding answer is complete."""
        self._weight -= self._weights.popleft()

    def _weigh(self, listed: Listed) -> int:
        return self._unknown if listed.size is None else listed.size
