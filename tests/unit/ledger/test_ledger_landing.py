from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_helpers import (
    NAME,
    NOW,
    Mail,
    Run,
    archive_all,
    draft,
    fingerprint,
    mail,
    new_ledger,
    owner,
    stages,
    store,
    visit,
)

from archiver.format import raw_key
from archiver.ledger import Ledger, landing, returning
from archiver.ledger.landing import Draft, Landed
from archiver.ledger.status import problem_count, status
from archiver.ledger.unread import (
    index_made_by,
    mark_read,
    messages_of,
    take_marks_back,
    unread_batches,
)

A, B, C = mail("a", "first"), mail("b", "second"), mail("c", "third")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def test_batch_comes_back_as_it_landed(ledger: Ledger) -> None:
    """A worker is given exactly what was spooled, in the order of the segment."""
    run = Run(ledger)
    one = run.look([A, B])[1]
    print_of_b = fingerprint(B.octets)
    made = draft(len(B.octets) + 7)
    landing.land(run.listing, made, [Landed(one, print_of_b, 7, NOW, ("odd",))], NOW)
    batch = landing.load(ledger, made.name)
    assert (batch.id, batch.account, batch.day, batch.segment) == (
        made.name,
        NAME,
        made.day,
        made.segment,
    )
    (message,) = batch.messages
    assert (message.uidl, message.listed_size, message.offset) == ("b", B.listed_size, 7)
    assert (message.digest, message.header_digest, message.length) == (
        print_of_b.digest,
        print_of_b.header_digest,
        print_of_b.size,
    )
    assert (message.fetched_at, message.anomalies) == (NOW, ("odd",))
    assert list(landing.segments(ledger, owner(ledger))) == [(made.segment, made.octets)]
    assert landing.waiting(ledger, owner(ledger)) == 1


def test_batch_that_brings_nothing(ledger: Ledger) -> None:
    """A batch in which everything was known leaves no trace."""
    visit(ledger, A, top=False, uidl=False)
    run = Run(ledger)
    run.visit([A], top=False, uidl=False)
    assert (run.landings[0].fetched, run.landings[0].linked, run.landings[0].known) == (0, 0, 1)
    assert ledger.value("SELECT count(*) FROM batches") == 1


def test_links_get_a_batch(ledger: Ledger) -> None:
    """Links that were found by header alone are named by a batch without octets."""
    visit(ledger, A)
    archive_all(ledger)
    visit(ledger, Mail("moved", A.octets))
    (name,) = landing.pending(ledger, owner(ledger), tries=5)
    batch = landing.load(ledger, name)
    assert (batch.segment, batch.messages) == ("", ())
    assert [(one.uidl, one.digest) for one in batch.linked] == [
        ("moved", fingerprint(A.octets).digest)
    ]
    assert list(landing.segments(ledger, owner(ledger))) == []
    assert landing.land_links(ledger, owner(ledger), draft(), NOW) == 0


@pytest.mark.parametrize("vanished", [True, False])
def test_link_in_a_lost_segment(ledger: Ledger, vanished: bool) -> None:
    """A link whose batch is lost, but not the octets that it leads to, is one all the same."""
    twin = Mail("twin", A.octets)
    visit(ledger, A, B)
    visit(ledger, A, B, twin, C)
    if vanished:
        visit(ledger, A, B, C)
    segment = ledger.value("SELECT segment FROM batches ORDER BY id DESC LIMIT 1")
    assert returning.give_back(ledger, segment) == 1
    assert stages(ledger)["c"] == "listed"
    assert stages(ledger)["twin"] == ("vanished" if vanished else "linked")
    assert visit(ledger, A, B, twin, C)[1].fetched == 1
    assert stages(ledger)["twin"] == "linked"
    archive_all(ledger)
    assert not ledger.value("SELECT count(*) FROM messages WHERE batch_id IS NULL")


def test_lost_segment(ledger: Ledger) -> None:
    """Messages whose segment is gone are fetched again, with the links that led to them."""
    twin = Mail("twin", A.octets)
    visit(ledger, A)
    visit(ledger, A, twin)
    segment = ledger.value("SELECT segment FROM batches ORDER BY id LIMIT 1")
    assert returning.give_back(ledger, segment) == 2
    assert stages(ledger) == {"a": "listed", "twin": "listed"}
    fetched, counts = visit(ledger, A, twin)
    assert fetched == [A.octets, A.octets]
    assert (counts.fetched, counts.linked) == (1, 1)


def test_lost_segment_of_a_batch_that_put_something(ledger: Ledger) -> None:
    """What the store was shown to hold stays known, though its batch is fetched again."""
    run = Run(ledger)
    run.visit([A])
    store(ledger, run.batches[0])
    with ledger.write() as db:
        db.execute("UPDATE batches SET uploaded_at = NULL")
    assert returning.give_back(ledger, f"me/{run.batches[0]}.seg") == 1
    assert landing.pending(ledger, owner(ledger), tries=5) == []
    assert [segment for segment, _ in landing.segments(ledger, owner(ledger))] == []
    visit(ledger, A)
    archive_all(ledger)
    assert stages(ledger) == {"a": "archived"}


def test_lost_segment_and_a_link_that_left(ledger: Ledger) -> None:
    """A link that had vanished is none any more when it comes back after its octets were lost."""
    twin = Mail("twin", A.octets)
    visit(ledger, A, twin)
    visit(ledger, A)
    assert stages(ledger)["twin"] == "vanished"
    returning.give_back(ledger, ledger.value("SELECT segment FROM batches ORDER BY id LIMIT 1"))
    assert visit(ledger, twin)[0] == [A.octets]


def test_lost_segment_after_upload(ledger: Ledger) -> None:
    """A segment that is gone after its upload takes nothing back: the store has its messages."""
    run = Run(ledger)
    run.visit([A])
    store(ledger, run.batches[0])
    assert returning.give_back(ledger, f"me/{run.batches[0]}.seg") == 0
    assert stages(ledger) == {"a": "spooled"}
    assert landing.is_uploaded(ledger, run.batches[0])


def test_set_aside(ledger: Ledger) -> None:
    """A failed message moves into a batch of its own, which waits after so many tries."""
    run = Run(ledger)
    run.visit([A, B])
    first, second = landing.load(ledger, run.batches[0]).messages
    name = run.batches[0]
    for tries in (1, 2):
        made = Draft(f"kept-{tries}", "2026-05-28", f"kept/me/{tries}.seg", second.length)
        landing.set_aside(ledger, [second], made, "broken", NOW)
        assert [one.row for one in landing.load(ledger, name).messages] == (
            [first.row] if tries == 1 else []
        )
        (kept,) = landing.load(ledger, made.name).messages
        assert (kept.row, kept.offset, kept.digest) == (second.row, 0, second.digest)
        assert (made.name in landing.pending(ledger, owner(ledger), tries=2)) is (tries < 2)
        name = made.name
    assert problem_count(ledger, owner(ledger).row) == (1, 0)
    assert stages(ledger) == {"a": "spooled", "b": "spooled"}


def test_links_to_what_is_set_aside(ledger: Ledger) -> None:
    """No manifest names a link to octets that cannot be stored, until they can."""
    run = Run(ledger)
    run.visit([A, Mail("twin", A.octets)])
    batch = landing.load(ledger, run.batches[0])
    assert [one.uidl for one in batch.linked] == ["twin"]
    landing.set_aside(ledger, batch.messages, draft(len(A.octets)), "broken", NOW)
    assert landing.load(ledger, run.batches[0]).linked == ()
    box = [A, Mail("twin", A.octets), Mail("third", A.octets)]
    for top in (True, False):
        again = Run(ledger)
        again.visit(box, top=top)
        assert landing.land_links(ledger, owner(ledger), draft(), NOW) == 0
    assert stages(ledger) == {"a": "spooled", "twin": "linked", "third": "linked"}
    archive_all(ledger)
    assert landing.land_links(ledger, owner(ledger), draft(), NOW) == 2


def test_held_batches_wait(ledger: Ledger) -> None:
    """A batch with a held message is not pending."""
    run = Run(ledger)
    run.visit([A])
    with ledger.write() as db:
        db.execute("UPDATE messages SET problem = 'held'")
    assert landing.pending(ledger, owner(ledger), tries=5) == []


def test_unread_marks(ledger: Ledger) -> None:
    """Batches are unread until they are marked, and again when the marks are taken back."""
    run = Run(ledger)
    run.visit([A, B])
    account = owner(ledger)
    assert unread_batches(ledger, account) == run.batches
    spooled = list(messages_of(ledger, run.batches[0]))
    assert [(one.digest, one.offset) for one in spooled] == [
        (fingerprint(A.octets).digest, 0),
        (fingerprint(B.octets).digest, len(A.octets)),
    ]
    assert spooled[0].segment == f"me/{run.batches[0]}.seg"
    archive_all(ledger)
    archived = next(messages_of(ledger, run.batches[0]))
    assert archived.segment == ""
    assert archived.key == raw_key(NAME, "2026-05-28", run.batches[0], archived.digest)
    mark_read(ledger, run.batches, NOW)
    assert unread_batches(ledger, account) == []
    assert index_made_by(ledger) is None
    for version in ("7", "8"):
        take_marks_back(ledger, version)
        assert unread_batches(ledger, account) == run.batches
        assert index_made_by(ledger) == version


def test_status(ledger: Ledger) -> None:
    """Status counts stages, octets and problems of each account."""
    visit(ledger, A)
    archive_all(ledger)
    visit(ledger, A, B)
    (shown,) = status(ledger)
    assert shown.stages == {"archived": 1, "spooled": 1}
    assert (shown.octets_archived, shown.octets_spooled) == (len(A.octets), len(B.octets))
    assert shown.oldest_unverified == int(NOW)
    assert (shown.failed, shown.held, shown.last_run) == (0, 0, None)
