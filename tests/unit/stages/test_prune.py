"""Deleting on a server that behaves, and on ones that do not: nothing goes that is not archived."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prune_helpers import Deleting, archived, left, stages, swap
from stage_helpers import box, octets_of

from archiver.config import Deletion
from archiver.errors import DeletionStopped, ServerUnavailable
from archiver.ledger.pruning import unconfirmed
from archiver.stages.prune_plan import Verdict
from infra.faulty_pop3 import Message


def test_everything_goes(tmp_path: Path) -> None:
    """What is archived is deleted, and confirmed by another listing; the words are kept."""
    with archived(tmp_path, box("a", "b", "c")) as made:
        done = Deleting(made).go()
        assert (done.deleted, done.listing.gone) == (3, 3)
        assert left(made) == []
        assert set(stages(made).values()) == {"gone"}
        assert made.ledger.value("SELECT said FROM messages") == "bye"
        assert made.heard("RETR") == made.heard("RETR")[:3]
        assert len(made.heard("TOP")) == 3


def test_policy_keeps(tmp_path: Path) -> None:
    """Only what the plan names is asked about, and deleted."""
    with archived(tmp_path, box("a", "b", "c")) as made:
        made.set(deletion=Deletion(delete="verified", keep_latest=2))
        Deleting(made).go()
        assert left(made) == [octets_of("b"), octets_of("c")]
        assert made.heard("DELE") == ["DELE 1"]


def test_new_message_stays(tmp_path: Path) -> None:
    """A message that came after the plan was made stays, and the next run fetches it."""
    with archived(tmp_path, box("a")) as made:
        deletion = Deleting(made)
        made.server.mailbox.append(Message("uidl-b", octets_of("b")))
        deletion.go()
        assert left(made) == [octets_of("b")]
        assert made.run().fetched == 1


@pytest.mark.parametrize("header", ["another", "equal"])
def test_reused_uidl(tmp_path: Path, header: str) -> None:
    """An equally long message under the UIDL of an archived one stays, if its header differs."""
    with archived(tmp_path, box("first", "third")) as made:
        old = left(made)[0]
        new = old.replace(b"first", b"other") if header == "another" else old
        assert len(new) == len(old)
        swap(made, 0, new)
        Deleting(made).go()
        assert left(made) == ([new] if header == "another" else [])
        if header == "another":
            assert made.owner.distrusted is not None
            assert made.run().fetched == 1
            made.archive()
            Deleting(made).go()
            assert left(made) == []


def test_one_of_three_equal_uidls_is_replaced(tmp_path: Path) -> None:
    """Where messages share a UIDL only octets that are archived go, also with an equal header."""
    one, two, three = (octets_of(word) for word in ("one", "two", "six"))
    with archived(tmp_path, [("same", one), ("same", two), ("same", three)]) as made:
        assert made.owner.distrusted is not None
        stranger = two.replace(b"\r\n\r\ntwo", b"\r\n\r\nowt")
        swap(made, 1, stranger)
        Deleting(made).go()
        assert left(made) == [stranger]
        assert made.run().fetched == 1


@pytest.mark.parametrize(
    "faults",
    [
        {"without": {"TOP"}},
        {"without": {"UIDL"}},
        {"without": {"CAPA"}},
        {"numberless": True},
        {"pipelining": False},
        {"top_octets": 10},
    ],
)
def test_lacking_servers(tmp_path: Path, faults: dict[str, Any]) -> None:
    """Where headers or UIDLs cannot show what a message is, its octets do."""
    with archived(tmp_path, box("a", "b"), **faults) as made:
        Deleting(made).go()
        assert left(made) == []


def test_message_without_identifying_header(tmp_path: Path) -> None:
    """A header that many messages may share proves nothing: the whole message is fetched."""
    with archived(tmp_path, [("a", b"Subject: x\r\n\r\none\r\n")]) as made:
        Deleting(made).go()
        assert left(made) == []
        assert len(made.heard("RETR")) == 2


def test_refused_deletion(tmp_path: Path) -> None:
    """A message whose DELE is refused stays, and the others go."""
    with archived(tmp_path, box("a", "b")) as made:
        made.server.faults = replace(made.server.faults, undeletable={1})
        deletion = Deleting(made).go()
        assert left(made) == [octets_of("a")]
        assert deletion.pruning.counts()[Verdict.REFUSED] == 1


def test_quit_refused(tmp_path: Path) -> None:
    """Where QUIT fails and nothing is deleted, the messages are archived as before."""
    with archived(tmp_path, box("a"), refuse_quit="cannot update") as made:
        Deleting(made).go()
        assert left(made) == [octets_of("a")]
        assert stages(made) == {"uidl-a": "archived"}


def test_unconfirmed(tmp_path: Path) -> None:
    """A server that wants time between logins is asked by the next run what is gone."""
    with archived(tmp_path, box("a"), login_delay=60) as made:
        Deleting(made).go()
        assert stages(made) == {"uidl-a": "delete_sent"}
        assert unconfirmed(made.ledger, made.owner) == 1
        assert any("next run confirms" in note for note in made.listener.notes)
        made.run()
        assert stages(made) == {"uidl-a": "gone"}


def test_count_is_wrong(tmp_path: Path) -> None:
    """A server whose count after DELE is not as it should be is told RSET, and keeps all."""
    with archived(tmp_path, box("a", "b")) as made:
        made.server.faults = replace(made.server.faults, ignores_dele=True)
        with pytest.raises(DeletionStopped, match="counts 2 messages where 0 ought to be left"):
            Deleting(made).go()
        assert len(left(made)) == 2
        assert made.heard("RSET")
        assert set(stages(made).values()) == {"archived"}


def test_brake_in_the_session(tmp_path: Path) -> None:
    """What would empty the mailbox as the server lists it now stops without a person's word."""
    with archived(tmp_path, box(*map(str, range(20)))) as made:
        deletion = Deleting(made, empty=False)
        del made.server.mailbox[15:]
        with pytest.raises(DeletionStopped, match="all 15 messages"):
            deletion.go()
        assert len(left(made)) == 15
        assert not deletion.deleted


@pytest.mark.parametrize("heard", range(1, 16))
def test_dropped_anywhere(tmp_path: Path, heard: int) -> None:
    """A connection that is cut at any command deletes nothing that is lost, and is tried again."""
    with archived(tmp_path, box("a", "b")) as made:
        sessions = made.server.sessions
        drops = [*([None] * sessions), heard]
        made.server.faults = replace(made.server.faults, drop_at=drops)
        try:
            Deleting(made).go()
        except ServerUnavailable:
            pytest.fail("one lost connection ended it all")
        made.run()
        assert left(made) == []
        assert set(stages(made).values()) == {"gone"}


def test_retiring_server(tmp_path: Path) -> None:
    """Where QUIT takes what was retrieved, a stranger that was retrieved makes it not be sent."""
    with archived(tmp_path, [], expire=0) as made:
        one, two = octets_of("one"), octets_of("two")
        made.server.mailbox += [Message("same", one), Message("same", two)]
        made.archives = False
        made.run()
        made.archive()
        assert left(made) == [one, two]
        stranger = two.replace(b"\r\n\r\ntwo", b"\r\n\r\nowt")
        swap(made, 1, stranger)
        Deleting(made).go()
        assert stranger in left(made)
