"""What stands under one UIDL, and what an account has still to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_helpers import (
    DAY,
    NAME,
    NOW,
    STORE,
    Mail,
    Run,
    archive_all,
    draft,
    fingerprint,
    mail,
    new_ledger,
    owner,
    visit,
)

from archiver.format import raw_key
from archiver.ledger import Ledger, landing
from archiver.ledger.accounts import begin_run, distrust, end_run, open_account
from archiver.ledger.backlog import backlogs
from archiver.ledger.landing import fail_fetch
from archiver.ledger.versions import problems, versions

A, B = mail("a", "first"), mail("b", "second")
DIGEST = fingerprint(A.octets).digest


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def test_versions_of_one_uidl(ledger: Ledger) -> None:
    """What is archived, and what now waits under its UIDL, are two versions, the oldest first."""
    visit(ledger, A)
    name = landing.pending(ledger, owner(ledger), tries=9)[0]
    archive_all(ledger)
    run = Run(ledger)
    other = Mail("a", b"Message-ID: <other>\r\n\r\n", 777)
    fail_fetch(run.listing, run.look([other, B])[0], "no", NOW, octets=9)
    old, new = versions(ledger, NAME, "a")
    assert (old.digest, old.size, old.archived_at) == (DIGEST, len(A.octets), int(NOW))
    assert (old.key, old.segment) == (raw_key(NAME, DAY, name, DIGEST), "")
    assert (old.problem, old.store, old.since) == ("none", STORE, int(NOW))
    assert (new.problem, new.reason, new.tries) == ("failed", "no", 1)
    assert (new.digest, new.key, new.listed_size, new.octets) == (None, None, 777, 9)
    assert problems(ledger) == problems(ledger, NAME) == [new]
    assert problems(ledger, "another") == []


def test_versions_in_the_spool_and_linked(ledger: Ledger) -> None:
    """A message in the spool says where; one that is linked to it has no octets of its own."""
    run = Run(ledger)
    run.visit([B, A])
    visit(ledger, B, A, Mail("twin", A.octets))
    (spooled,) = versions(ledger, NAME, "a")
    (linked,) = versions(ledger, NAME, "twin")
    assert (spooled.segment, spooled.offset) == (f"me/{run.batches[0]}.seg", len(B.octets))
    assert (spooled.key, spooled.archived_at) == (None, None)
    assert (linked.stage, linked.digest, linked.segment) == ("linked", DIGEST, "")
    archive_all(ledger)
    (linked,) = versions(ledger, NAME, "twin")
    assert linked.key == raw_key(NAME, DAY, run.batches[0], DIGEST)


def test_versions_of_several_stores(ledger: Ledger) -> None:
    """What goes into another store is another version."""
    other = open_account(ledger, NAME, store_url="file:///other", host="pop.example.com")
    visit(ledger, A)
    with ledger.write() as db:
        db.execute(
            "INSERT INTO messages (account_id, uidl, stage, listed_at)"
            " VALUES (?, 'a', 'listed', 0)",
            (other.row,),
        )
    one, two = versions(ledger, NAME, "a")
    assert (one.store, two.store) == (STORE, "file:///other")
    assert (two.since, two.octets) == (None, None)


def test_backlog(ledger: Ledger) -> None:
    """Batches, segments set aside, deletions, events and runs that wait are counted by account."""
    idle = open_account(ledger, "idle", store_url=STORE, host="pop.example.com")
    end_run(ledger, begin_run(ledger, idle, "run", NOW), now=NOW, exit_code=0, report={})
    visit(ledger, A)
    archive_all(ledger)
    visit(ledger, A, B, mail("c", "third"))
    name = landing.pending(ledger, owner(ledger), tries=9)[0]
    bad = landing.load(ledger, name).messages[:1]
    landing.set_aside(ledger, bad, draft(bad[0].length), "bad", NOW)
    with ledger.write() as db:
        db.execute(
            "UPDATE messages SET stage = 'delete_sent', left_at = 7, said = 'bye' WHERE uidl = 'a'"
        )
    distrust(ledger, owner(ledger), "why")
    begin_run(ledger, owner(ledger), "prune", NOW)
    nothing, me = backlogs(ledger)
    assert (me.account, me.store, me.distrusted) == (NAME, STORE, "why")
    assert (me.batches, me.messages, me.since) == (1, 1, int(NOW))
    assert (me.set_aside, me.octets_set_aside) == (1, bad[0].length)
    assert (me.deleted, me.deleted_at, me.events) == (1, 7, 1)
    assert (me.cut_at, me.verb) == (int(NOW), "prune")
    assert (nothing.account, nothing.batches, nothing.octets, nothing.since) == ("idle", 0, 0, None)
    assert (nothing.set_aside, nothing.deleted, nothing.events, nothing.cut_at) == (0, 0, 0, None)
