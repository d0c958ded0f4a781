from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_helpers import NOW, Mail, Run, archive_all, mail, new_ledger, owner, stages, visit

from archiver.ledger import Ledger
from archiver.ledger.landing import fail_fetch
from archiver.ledger.seen import Counts
from archiver.ledger.status import problem_count
from archiver.ledger.versions import problems

A, B, C = mail("a", "first"), mail("b", "second"), mail("c", "third")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def test_counts_over_sessions(ledger: Ledger) -> None:
    """A message that several sessions list is counted once, by what became of it."""
    visit(ledger, A)
    run = Run(ledger)
    wanted = run.look([A, B, C])
    run.take([A, B, C], wanted[:1])
    assert run.listing.counts() == Counts(listed=3, known=1, fetched=1, remaining=1)
    assert run.visit([A, B, C]) == Counts(listed=3, known=1, fetched=2)
    assert run.fetched == [B.octets, C.octets]


def test_counts_over_portions(ledger: Ledger) -> None:
    """Where each session offers other messages, all of them are counted."""
    run = Run(ledger)
    run.visit([A, B])
    assert run.visit([C]) == Counts(listed=3, fetched=3)


def test_left_between_sessions(ledger: Ledger) -> None:
    """What an earlier session listed and a later one does not has vanished."""
    run = Run(ledger)
    run.look([A, B])
    assert run.visit([B]) == Counts(listed=2, fetched=1, vanished=1)
    assert stages(ledger) == {"a": "vanished", "b": "spooled"}


def test_session_lost_within_its_listing(ledger: Ledger) -> None:
    """A session that broke before its listing was whole says nothing about who left."""
    run = Run(ledger)
    run.look([A, B])
    run.listing.begin()
    run.listing.add_uidls([(1, "a")])
    assert run.listing.counts() == Counts(listed=2, remaining=2)
    assert stages(ledger) == {"a": "listed", "b": "listed"}


def test_failed_once_a_run(ledger: Ledger) -> None:
    """A message that was refused is left alone for the rest of the run, and tried in the next."""
    run = Run(ledger)
    fail_fetch(run.listing, run.look([A, B])[0], "no", NOW)
    assert run.visit([A, B]) == Counts(listed=2, fetched=1, failed=1)
    assert problem_count(ledger, owner(ledger).row) == (1, 0)
    assert visit(ledger, A, B) == ([A.octets], Counts(listed=2, known=1, fetched=1))
    assert problem_count(ledger, owner(ledger).row) == (0, 0)


def test_given_up(ledger: Ledger) -> None:
    """After so many tries a message waits for a person and counts as failed without a RETR."""
    for _ in range(3):
        run = Run(ledger, tries=3)
        fail_fetch(run.listing, run.look([A])[0], "no", NOW)
    run = Run(ledger, tries=3)
    assert run.visit([A]) == Counts(listed=1, failed=1)
    assert run.fetched == []
    assert [(one.uidl, one.reason, one.tries) for one in problems(ledger)] == [("a", "no", 3)]


def test_failure_that_is_no_try(ledger: Ledger) -> None:
    """A message that was not even asked for is not given up, however often."""
    for _ in range(3):
        run = Run(ledger, tries=2)
        fail_fetch(run.listing, run.look([A])[0], "too large", NOW, counted=False)
    assert problems(ledger)[0].tries == 0
    assert visit(ledger, A)[1] == Counts(listed=1, fetched=1)


@pytest.mark.parametrize("uidl", [True, False])
def test_failure_in_a_distrusted_mailbox(ledger: Ledger, uidl: bool) -> None:
    """Without trusted UIDLs a failing message has one row however often it fails."""
    box = [mail("1", "x"), mail("2", "y")]
    for _ in range(3):
        run = Run(ledger)
        fail_fetch(run.listing, run.look(box, uidl=uidl)[0], "no", NOW)
        run.take(box, list(run.listing.to_fetch()))
        assert run.listing.counts().failed == 1
        assert ledger.value("SELECT count(*) FROM messages WHERE digest IS NULL") <= 1
    assert visit(ledger, *box, uidl=uidl)[1] == Counts(listed=2, known=1, fetched=1)
    assert problem_count(ledger, owner(ledger).row) == (0, 0)


def test_failing_version_of_a_known_message(ledger: Ledger) -> None:
    """A known message that cannot be looked at again has a problem until it can."""
    visit(ledger, A)
    grown = Mail("a", A.octets, 999)
    run = Run(ledger)
    fail_fetch(run.listing, run.look([grown], top=False)[0], "no", NOW)
    assert run.listing.counts() == Counts(listed=1, failed=1)
    assert problem_count(ledger, owner(ledger).row) == (1, 0)
    assert visit(ledger, grown, top=False)[1] == Counts(listed=1, known=1)
    assert problem_count(ledger, owner(ledger).row) == (0, 0)
    assert visit(ledger, grown, top=False) == ([], Counts(listed=1, known=1))


def test_failure_vanishes_with_its_message(ledger: Ledger) -> None:
    """A message that failed and left the server is no problem any more."""
    run = Run(ledger)
    fail_fetch(run.listing, run.look([A])[0], "no", NOW)
    visit(ledger)
    assert stages(ledger) == {"a": "vanished"}
    assert problem_count(ledger, owner(ledger).row) == (0, 0)


@pytest.mark.parametrize("box", [[A, B], [mail("1", "x"), mail("2", "y")]])
def test_vanished_between_list_and_retr(ledger: Ledger, box: list[Mail]) -> None:
    """A message that was refused because it had left is reported as vanished, not as failed."""
    run = Run(ledger)
    wanted = run.look(box)
    fail_fetch(run.listing, wanted[0], "no", NOW)
    fail_fetch(run.listing, wanted[0], "", NOW, vanished=True)
    run.take(box, wanted[1:])
    assert run.listing.counts() == Counts(listed=2, fetched=1, vanished=1)
    assert problem_count(ledger, owner(ledger).row) == (0, 0)


def test_later_sessions_go_on_without_uidl_and_top(ledger: Ledger) -> None:
    """Where nothing identifies messages a run still goes on where its last session stopped."""
    box = [A, B, C]
    run = Run(ledger)
    run.take(box, run.look(box, uidl=False, top=False)[:2])
    assert run.visit(box, uidl=False, top=False) == Counts(listed=3, fetched=3)
    assert run.fetched == [A.octets, B.octets, C.octets]


def test_moved_numbers_without_uidl_and_top(ledger: Ledger) -> None:
    """Where nothing identifies messages and the listing has changed, all is looked at again."""
    run = Run(ledger)
    run.take([A, B], run.look([A, B], uidl=False, top=False)[:1])
    run.visit([B, C], uidl=False, top=False)
    assert run.fetched == [A.octets, B.octets, C.octets]
    assert ledger.value("SELECT count(DISTINCT digest) FROM messages") == 3


def test_retrieved_and_not_archived(ledger: Ledger) -> None:
    """A session knows whether something it retrieved is not ARCHIVED yet."""
    box = [mail("1", "x"), mail("2", "y")]
    run = Run(ledger)
    assert not run.listing.retrieved_unarchived()
    run.visit(box, top=False)
    assert run.listing.retrieved_unarchived()
    again = Run(ledger)
    again.look(box, top=False)
    assert not again.listing.retrieved_unarchived()
    again.take(box, list(again.listing.to_fetch()))
    assert again.listing.retrieved_unarchived()
    archive_all(ledger)
    assert not again.listing.retrieved_unarchived()
