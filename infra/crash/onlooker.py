"""Who looks at the archive from outside, at the very moment when the server removes something.

Whatever goes at a QUIT must be readable in the store before, and durable. Whatever was retrieved
before a QUIT was agreed to has to be in the store in the end, whoever deletes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.crash.letters import Letter
from infra.crash.power import STATE, STORE, Power
from infra.crash.witness import sha256
from infra.faulty_pop3 import Message


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


class Onlooker:
    """Looks at each QUIT.

    Args:
        store: the directory with the archive.
        power: what of it is durable, if somebody keeps watch over that.
        lenient: what goes may also be in the spool, since a server that does not say that it
            removes what it showed takes that at the first QUIT.
    """

    def __init__(self, store: Path, power: Power | None = None, *, lenient: bool = False) -> None:
        self.report = Report()
        self._store = store
        self._power = power
        self._lenient = lenient

    def look(self, retrieved: Sequence[Message], going: Sequence[Message]) -> None:
        """Before anything is removed."""
        self.report.promised |= {sha256(message.octets) for message in retrieved}
        for message in going:
            digest = sha256(message.octets)
            self.report.removed.add(digest)
            if self._lenient and self._is_spooled(message.octets):
                continue
            if not self._is_readable(digest):
                self.report.faults.append(f"{digest} was removed and cannot be read in the store")
            elif not self._is_durable(digest):
                self.report.faults.append(f"{digest} was removed before it was durable")

    def _is_readable(self, digest: str) -> bool:
        found = self._store.rglob(f"{digest}.eml")
        return any(sha256(path.read_bytes()) == digest for path in found)

    def _is_durable(self, digest: str) -> bool:
        return self._power is None or any(
            path.endswith(f"/{digest}.eml") and sha256(octets) == digest
            for path, octets in self._power.durable(STORE)
        )

    def _is_spooled(self, octets: bytes) -> bool:
        return self._power is not None and any(
            octets in segment for _, segment in self._power.durable(STATE)
        )
