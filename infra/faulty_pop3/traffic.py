"""What passed in a session, and every way to cut another one like it.

A run without faults shows how many commands there are and where each answer ends; then the same run
can be cut at each command, and around each end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_BEFORE_AN_END = (3, 2, 1, 0)
"""Octets: a message ends with a dot and CRLF, and what comes last may be before each of them."""


@dataclass
class Traffic:
    """How many ``commands`` were heard, and after how many octets each answer ended (``ends``)."""

    commands: int = 0
    ends: list[int] = field(default_factory=list)

    def sent(self, octets: int) -> None:
        """An answer was sent, or the greeting."""
        self.ends.append(self.octets + octets)

    @property
    def octets(self) -> int:
        """How many octets were sent."""
        return self.ends[-1] if self.ends else 0

    def cuts(self, session: int = 0) -> Iterator[dict[str, Any]]:
        """The fields of ``Faults`` that cut a session like this one, each in another way.

        Args:
            session: which of the server's sessions is to be cut, from 0.
        """
        before = [None] * session
        for command in range(1, self.commands + 1):
            yield {"drop_at": [*before, command]}
            yield {"drop_at": [*before, command], "reset": True}
        begin = 0
        for end in self.ends:
            for place in sorted({(begin + end) // 2, *(end - back for back in _BEFORE_AN_END)}):
                yield {"drop_after": [*before, place]}
            yield {"drop_after": [*before, end], "reset": True}
            begin = end
