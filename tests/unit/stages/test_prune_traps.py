"""Servers that would make a deletion lose mail: what goes is archived, whatever they show.

Every deletion here is watched: at QUIT nothing may leave whose octets are not archived.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prune_helpers import VERIFIED, Deleting, archived, left, stages, swap
from stage_helpers import Desk, box, desk, octets_of

from archiver.errors import DeletionStopped
from archiver.stages.prune_plan import Verdict
from infra.faulty_pop3 import Message

OLD = b"Message-ID: <x@example.com>\r\n\r\nold\r\n"
NEW = b"Message-ID: <x@example.com>\r\n\r\nnew\r\n"
"""Of one header and one length."""

ALIKE = (b"Subject: x\r\n\r\none\r\n", b"Subject: x\r\n\r\ntwo\r\n")
"""Which their octets alone tell apart."""


def misbehave(made: Desk, **faults: Any) -> None:
    """Changes how the server behaves from now on."""
    made.server.faults = replace(made.server.faults, **faults)


def settle(made: Desk, *everything: bytes) -> None:
    """Another run and another deletion leave nothing on the server, and all in the archive."""
    made.run()
    made.archive()
    Deleting(made).go()
    assert left(made) == []
    assert set(everything) <= made.archived


def once(action: Callable[[], None]) -> Callable[[], None]:
    """What happens the first time alone."""
    actions = [action]
    return lambda: actions.pop()() if actions else None


@pytest.mark.parametrize("command", ["AUTH", "STAT", "UIDL", "LIST", "TOP"])
@pytest.mark.parametrize("header", ["another", "none"])
def test_uidl_reused_under_way(tmp_path: Path, command: str, header: str) -> None:
    """An equally long message that takes another's place and UIDL at any command is not deleted."""
    old = octets_of("first") if header == "another" else b"Subject: x\r\n\r\nfirst\r\n"
    new = old.replace(b"first", b"other")
    with archived(tmp_path, [("u", old), *box("b")]) as made:
        misbehave(made, when={command: once(lambda: swap(made, 0, new))})
        Deleting(made).go()
        assert left(made) == [new]
        settle(made, old, new)


def test_uidl_reused_before_confirmation(tmp_path: Path) -> None:
    """A message under the UIDL of one that was deleted is fetched, though equally long."""
    old, new = octets_of("first"), octets_of("other")
    with archived(tmp_path, [("u", old)], login_delay=60) as made:
        Deleting(made).go()
        made.server.mailbox.append(Message("u", new))
        assert made.run().fetched == 1
        made.archive()
        settle(made, old, new)


def test_linked_by_its_header_alone(tmp_path: Path) -> None:
    """A message that was taken for another by its header is shown by its octets before it goes."""
    with archived(tmp_path, [("u1", OLD)]) as made:
        made.server.mailbox[:] = [Message("u2", NEW)]
        assert made.run().linked == 1
        made.archive()
        Deleting(made).go()
        assert left(made) == [NEW]
        settle(made, OLD, NEW)


@pytest.mark.parametrize("body", [b"n", b"new and longer"])
def test_other_body_under_the_same_uidl_and_header(tmp_path: Path, body: bytes) -> None:
    """A header proves nothing of a message whose size is not that of the octets in the archive."""
    new = OLD.replace(b"old", body)
    with archived(tmp_path, [("u", OLD), *box("b")]) as made:
        swap(made, 0, new)
        assert made.run().known == 2
        Deleting(made).go()
        assert left(made) == [new]
        settle(made, OLD, new)


def test_message_that_came_short(tmp_path: Path) -> None:
    """Fewer octets than LIST said are archived as they came, and asked for again before DELE."""
    whole = octets_of("whole", 500)
    short = whole[:100] + b"\r\n"
    with archived(tmp_path, [("u", short)], sizes={1: len(whole)}) as made:
        swap(made, 0, whole)
        Deleting(made).go()
        assert left(made) == [whole]
        settle(made, short, whole)


@pytest.mark.parametrize("keeps", [0, 1])
def test_one_of_several_without_uidl_is_new(tmp_path: Path, keeps: int) -> None:
    """Where nothing tells messages apart, what is new stays, and what is archived goes or stays."""
    words = [octets_of(word) for word in ("one", "two", "six")]
    messages = [("", octets) for octets in words]
    with archived(tmp_path, messages, without={"UIDL"}) as made:
        made.set(deletion=replace(VERIFIED, keep_latest=keeps))
        made.server.mailbox.insert(1, Message("", octets_of("new")))
        Deleting(made).go()
        kept = words[len(words) - keeps :]
        assert left(made) == [octets_of("new"), *kept]


@pytest.mark.parametrize("expire", [None, 0])
def test_stranger_where_quit_takes_what_was_retrieved(tmp_path: Path, expire: int | None) -> None:
    """What was retrieved to see what it is, and is not archived, is not followed by QUIT."""
    one, two = octets_of("one"), octets_of("two")
    with archived(tmp_path, [("same", one), ("same", two)]) as made:
        made.server.mailbox.append(Message("same", octets_of("new")))
        misbehave(made, hides=True, expire=expire)
        Deleting(made).go()
        assert left(made) == [octets_of("new")]


@pytest.mark.parametrize("verdict", [Verdict.UNREADABLE, Verdict.KEPT_LATEST])
def test_archived_where_quit_takes_what_was_retrieved(tmp_path: Path, verdict: Verdict) -> None:
    """What could not be read back, or is to stay, does not leave by having been retrieved."""
    one, two = ALIKE
    with archived(tmp_path, [("same", one), ("same", two)]) as made:
        misbehave(made, expire=0)
        deletion = Deleting(made)
        made.ledger.scratch("UPDATE temp.plan SET verdict = ? WHERE message = 2", [(verdict,)])
        deletion.go()
        assert left(made) == [two]
        assert deletion.pruning.counts() == {Verdict.GOES: 1, verdict: 1}


def test_unreadable_on_a_server_that_does_not_say_that_it_hides(tmp_path: Path) -> None:
    """What could not be read back does not leave by having been retrieved, on no server."""
    one, two = ALIKE
    with archived(tmp_path, [("same", one), ("same", two)]) as made:
        misbehave(made, hides=True)
        deletion = Deleting(made)
        made.ledger.scratch(
            "UPDATE temp.plan SET verdict = ? WHERE message = 2", [(Verdict.UNREADABLE,)]
        )
        made.archived.discard(two)
        deletion.go()
        assert left(made) == [two]


def test_strangers_without_end(tmp_path: Path) -> None:
    """A server that shows other messages each time gets a few sessions, and keeps all."""
    one = octets_of("one")
    with archived(tmp_path, [("same", one), ("same", octets_of("two"))]) as made:
        count = iter(range(100))

        def change() -> None:
            for message in made.server.mailbox:
                message.octets = octets_of(f"another {next(count)}")

        before = made.server.sessions
        misbehave(made, when={"STAT": change})
        Deleting(made).go()
        assert len(left(made)) == 2
        assert made.server.sessions - before <= 4


@pytest.mark.parametrize("faults", [{"overdoes": True}, {"ignores_dele": True}])
def test_dele_is_not_what_it_should_be(tmp_path: Path, faults: dict[str, Any]) -> None:
    """A server that marks more than it is told, or less, is told RSET and no QUIT."""
    with archived(tmp_path, box("a", "b", "c")) as made:
        made.set(deletion=replace(VERIFIED, keep_latest=1))
        misbehave(made, **faults)
        with pytest.raises(DeletionStopped, match="after DELE"):
            Deleting(made).go()
        assert len(left(made)) == 3
        assert "RSET" in made.server.commands[-1]
        assert set(stages(made).values()) == {"archived"}


def test_numbers_that_move(tmp_path: Path) -> None:
    """A server that numbers anew at each DELE would delete others: its listing shows it."""
    with archived(tmp_path, box("a", "b", "c")) as made:
        made.server.mailbox.append(Message("uidl-new", octets_of("new")))
        misbehave(made, renumbers=True)
        with pytest.raises(DeletionStopped, match="are not as they were"):
            Deleting(made).go()
        assert len(left(made)) == 4


def test_deletion_that_does_not_come_about(tmp_path: Path) -> None:
    """What the server agreed to delete and lists after all is told, and is archived as before."""
    with archived(tmp_path, box("a", "b"), keeps=True) as made:
        deletion = Deleting(made).go()
        assert deletion.pruning.counts() == {Verdict.STILL_LISTED: 2}
        assert deletion.deleted == 0
        assert set(stages(made).values()) == {"archived"}


def test_more_than_one_session_deletes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many messages take several sessions; a server that deletes none of them has an end, too."""
    monkeypatch.setattr("archiver.stages.prune_session.MOST_AT_ONCE", 2)
    with archived(tmp_path, box(*"abcde"), keeps=True) as made:
        assert not Deleting(made).go().deleted
        misbehave(made, keeps=False)
        assert Deleting(made).go().deleted == 5
        assert left(made) == []


def test_top_tells_of_another_message(tmp_path: Path) -> None:
    """Where TOP shows another header than that of the message, the octets decide."""
    with archived(tmp_path, box("a", "b")) as made:
        misbehave(made, top=octets_of("another"))
        Deleting(made).go()
        assert left(made) == []
        assert len(made.heard("RETR")) == 4


def test_top_tells_of_one_message_for_all(tmp_path: Path) -> None:
    """One archived header in answer to every TOP shows no other message to be archived."""
    with archived(tmp_path, box("a", "b")) as made:
        swap(made, 1, octets_of("c"))
        misbehave(made, top=octets_of("a"))
        Deleting(made).go()
        assert left(made) == [octets_of("c")]


def test_refusals_cost_the_session(tmp_path: Path) -> None:
    """A server without TOP and CAPA, that hangs up after a few errors, is asked for one header."""
    words = "abcdefgh"
    with archived(tmp_path, box(*words), without={"TOP", "CAPA"}, patience=4) as made:
        Deleting(made).go()
        assert left(made) == []
        assert len(made.heard("TOP")) == 1


def test_message_numbers_as_uidls(tmp_path: Path) -> None:
    """UIDLs that are the numbers of one session identify nothing in the next."""
    one, two, six = (octets_of(word) for word in ("one", "two", "six"))
    with archived(tmp_path, [("1", one), ("2", two)]) as made:
        made.server.mailbox[:] = [Message("1", six), Message("2", one)]
        Deleting(made).go()
        assert left(made) == [six, one]
        settle(made, one, two, six)


def test_nobody_was_asked_before(tmp_path: Path) -> None:
    """A mailbox of which nothing is archived is left alone, without so much as a login."""
    with desk(tmp_path, box("a")) as made:
        made.set(deletion=VERIFIED)
        deletion = Deleting(made)
        assert deletion.pruning.counts() == {}
