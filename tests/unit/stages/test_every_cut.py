"""Every way in which a connection can break: what is archived in the end is always the same.

The session is cut at each command, and around each end of an answer, by an end of the stream or by
a reset. The run that meets it gives up at once and must account for every message; the next one
must bring the rest, and neither anything twice.
"""

from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from prune_helpers import Deleting, archived, left, stages
from stage_helpers import Desk, desk, octets_of

from archiver.errors import ServerUnavailable
from archiver.ledger.seen import Counts
from infra.faulty_pop3 import Faults

TWICE = octets_of("twice", 300)
MESSAGES = [
    ("u0", octets_of("w0", 2000)),
    ("u1", TWICE),
    ("u2", b"Message-ID: <dots@example.com>\r\n\r\n.\r\n..\r\n"),
    ("u3", TWICE),
    ("u4", octets_of("w4")),
]
DISTINCT = len({octets for _, octets in MESSAGES})


def adds_up(counts: Counts) -> bool:
    """Whether every listed message is accounted for."""
    listed, *terms = astuple(counts)
    return bool(listed == sum(terms))


def outcome(it: Desk) -> dict[str, Any]:
    """All that should be the same in the end, however it came about."""
    return {
        "messages": sorted(it.ledger.rows("SELECT uidl, digest, problem FROM messages")),
        "copies": sorted(it.ledger.rows("SELECT digest, count(*) FROM copies GROUP BY digest")),
        "archived": it.archived,
        "distrusted": it.owner.distrusted,
    }


@pytest.mark.parametrize(
    "faults", [{}, {"pipelining": False}, {"expire": 0}], ids=["ahead", "in-turn", "retiring"]
)
def test_fetching(tmp_path: Path, faults: dict[str, Any]) -> None:
    """A mailbox is archived whole, once, wherever the first session is cut."""
    (tmp_path / "whole").mkdir()
    with desk(tmp_path / "whole", MESSAGES, **faults) as it:
        it.run()
        it.archive()
        expected, traffic = outcome(it), it.server.traffic[0]
    assert expected["archived"] == {octets for _, octets in MESSAGES}
    for number, cut in enumerate(traffic.cuts()):
        directory = tmp_path / str(number)
        directory.mkdir()
        with desk(directory, MESSAGES, **faults, **cut) as it:
            it.set(reconnects=0)
            with suppress(ServerUnavailable):
                it.run()
            first = it.counts
            assert adds_up(first), cut
            assert first.failed == first.vanished == 0, cut
            assert (first.fetched, first.linked) <= (DISTINCT, 1), cut
            it.archive()
            it.server.faults = Faults(**faults)
            again = it.run()
            it.archive()
            assert adds_up(again), cut
            assert again.failed == again.remaining == 0, cut
            assert first.fetched + again.fetched == DISTINCT, cut
            assert outcome(it) == expected, cut


def test_deleting(tmp_path: Path) -> None:
    """A mailbox is emptied, and nothing leaves it that is not archived, wherever it is cut."""
    (tmp_path / "whole").mkdir()
    with archived(tmp_path / "whole", MESSAGES) as it:
        before = it.server.sessions
        Deleting(it).go()
        traffic = it.server.traffic[before]
    for number, cut in enumerate(traffic.cuts(before)):
        directory = tmp_path / str(number)
        directory.mkdir()
        with archived(directory, MESSAGES, **cut) as it:
            it.set(reconnects=0)
            with suppress(ServerUnavailable):
                Deleting(it).go()
            assert set(left(it)) <= it.archived, cut
            it.server.faults = Faults()
            it.run()
            Deleting(it).go()
            assert left(it) == [], cut
            assert set(stages(it).values()) == {"gone"}, cut
