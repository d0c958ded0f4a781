"""What must be true of an archive once all disturbances are over."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.crash import witness
from infra.crash.letters import Letter, alike
from infra.crash.onlooker import Report
from infra.crash.power import STATE, STORE
from infra.crash.witness import Row, View, sha256

_TERMS = ("known", "linked", "fetched", "failed", "vanished", "remaining")
_UNFINISHED = ("listed", "spooled", "delete_sent")


@dataclass(slots=True)
class Ending:
    """What is left when a schedule has been played.

    Args:
        view: what the store holds.
        rows: what the ledger says of each message.
        indexed: the digests of what the index holds.
        spooled: the files left in the spool.
        report: what the server saw.
        arrived: all letters that ever were in the mailbox.
        withdrawn: those that another client deleted.
    """

    view: View
    rows: list[Row]
    indexed: set[str]
    spooled: list[str]
    report: Report
    arrived: list[Letter] = field(default_factory=list)
    withdrawn: list[Letter] = field(default_factory=list)

    @classmethod
    def of(
        cls, root: Path, report: Report, arrived: list[Letter], withdrawn: list[Letter]
    ) -> "Ending":
        """What is left below a root."""
        state = root / STATE
        return cls(
            view=witness.look(root / STORE),
            rows=witness.rows(state / "ledger.db"),
            indexed=witness.indexed(state / "index.db"),
            spooled=[key for key, _ in witness.files(state / "spool")],
            report=report,
            arrived=arrived,
            withdrawn=withdrawn,
        )

    def due(self, *, by_octets: bool) -> set[str]:
        """The digests of what has to be in the store.

        What another client deleted has to be only if we had said that we have it.

        Args:
            by_octets: whether octets alone told messages apart, as before a deletion; else one may
                have been taken for another one that has its very header, with its Message-ID.
        """
        safe = self.report.promised | self.report.removed
        kept = {sha256(letter.octets) for letter in self.arrived if letter not in self.withdrawn}
        return (kept - self.doubtful(by_octets=by_octets)) | safe

    def doubtful(self, *, by_octets: bool) -> set[str]:
        """The digests of what may have been taken for another message."""
        return set() if by_octets else {sha256(octets) for octets in alike(self.arrived)}


def sums(report: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong with a run's account of itself."""
    if report["listed"] != sum(report[term] for term in _TERMS):
        counted = {name: report[name] for name in ("listed", *_TERMS)}
        yield f"a run does not add up: {counted}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an archive may have been left with.

    Args:
        rotten: other octets than the store was given, which stay there.
        unnamed: parts of messages whose worker died, of which only the header was read then.
        left: messages on the server.
    """

    rotten: bool = False
    unnamed: bool = False
    left: bool = True


def wrong(ending: Ending, allowed: Allowed, *, settled: bool) -> Iterable[str]:
    """What is wrong with an archive, by itself.

    Args:
        ending: what is left.
        allowed: what is not wrong with it.
        settled: whether the last run ended well.
    """
    view, archived = ending.view, ending.view.archived()
    yield from ending.report.faults
    for fault in view.faults:
        if not allowed.rotten or fault.startswith("a manifest names"):
            yield fault
    if not allowed.unnamed and not allowed.rotten:
        yield from (f"no manifest names {key}" for key in view.unnamed)
    for digest, times in archived.items():
        if times > 1:
            yield f"message {digest} is named as archived {times} times"
    for digest in sorted(archived.keys() - {sha256(letter.octets) for letter in ending.arrived}):
        yield f"message {digest} is archived and never was in the mailbox"
    if settled:
        yield from _unfinished(ending, archived, allowed)
    elif not allowed.rotten:
        yield "the last run did not end well"


def _unfinished(ending: Ending, archived: Counter[str], allowed: Allowed) -> Iterable[str]:
    for digest in sorted(ending.due(by_octets=not allowed.left) - archived.keys()):
        yield f"message {digest} is not archived"
    for digest in sorted(archived.keys() - ending.indexed):
        yield f"message {digest} is archived and not in the index"
    yield from (f"{each} is left in the spool" for each in ending.spooled)
    for row in ending.rows:
        if row.problem != "none" or row.stage in _UNFINISHED:
            yield f"the ledger ends with {row}"
    if not allowed.left and ending.report.left:
        yield f"{len(ending.report.left)} messages are left on the server"


def different(calm: Ending, rough: Ending, *, stages: bool, by_octets: bool) -> Iterable[str]:
    """How two archives of the same mailbox differ, one of which met no disturbance.

    Args:
        calm: the one that met none.
        rough: the other one.
        stages: whether the stages of the messages are compared.
        by_octets: as for ``Ending.due``.
    """
    free = {sha256(letter.octets) for letter in rough.withdrawn}
    # What is deleted by its octets may have passed for another message, under another row, before.
    passing = free | rough.doubtful(by_octets=False)
    free |= rough.doubtful(by_octets=by_octets)
    expected, found = _stages(calm.rows, passing), _stages(rough.rows, passing)
    for digest in sorted(expected.keys() | found.keys()) if stages else ():
        should, does = expected.get(digest), found.get(digest)
        if should != does:
            yield f"message {digest} is {does} and should be {should}"
    for name, one, other in (
        ("archived", calm.view.archived(), rough.view.archived()),
        ("stored", calm.view.raw(), rough.view.raw()),
    ):
        for digest in sorted((one.keys() ^ other.keys()) - free):
            yield f"message {digest} is {name} in only one of the two"


def _stages(rows: list[Row], free: set[str]) -> dict[str, Counter[str]]:
    """How often each message is in which stage; which of its UIDLs came first does not matter."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        if row.digest is not None and row.digest not in free:
            found.setdefault(row.digest, Counter())[row.stage] += 1
    return found
