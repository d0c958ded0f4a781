"""Messages that wait for a person, wherever on their way they failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_helpers import NAME, NOW, Mail, Run, draft, mail, new_ledger, owner, visit

from archiver.ledger import Ledger, landing
from archiver.ledger.accounts import distrust
from archiver.ledger.holding import hold, release
from archiver.ledger.landing import fail_fetch
from archiver.ledger.status import problem_count, problems

A, B = mail("a", "first"), mail("b", "second")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def fail_upload(ledger: Ledger, times: int) -> None:
    """The first message of the ledger's only pending batch cannot be stored, so often."""
    for _ in range(times):
        (name,) = landing.pending(ledger, owner(ledger), tries=99)
        batch = landing.load(ledger, name)
        landing.set_aside(ledger, batch.messages, draft(9), "bad store", NOW)
        with ledger.write() as db:
            db.execute("UPDATE batches SET archived_at = 1 WHERE name = ?", (name,))


def test_upload_that_failed_too_often(ledger: Ledger) -> None:
    """A message that the store refused too often is held, left alone, and tried when released."""
    visit(ledger, A)
    fail_upload(ledger, 2)
    hold(ledger, owner(ledger), tries=3)
    assert problem_count(ledger, 1) == (1, 0)
    fail_upload(ledger, 1)
    hold(ledger, owner(ledger), tries=3)
    assert problem_count(ledger, 1) == (0, 1)
    assert landing.pending(ledger, owner(ledger), tries=99) == []
    (released,) = release(ledger, NAME, None)
    assert (released.uidl, released.problem, released.tries) == ("a", "held", 3)
    assert released.digest is not None
    assert len(landing.pending(ledger, owner(ledger), tries=3)) == 1
    assert problem_count(ledger, 1) == (0, 0)


@pytest.mark.parametrize(("uidl", "trusted"), [("a", False), (None, True), (None, False)])
def test_message_that_cannot_be_told_from_the_next(
    ledger: Ledger, uidl: str | None, trusted: bool
) -> None:
    """Where a UIDL proves nothing, a message that was never fetched is not held."""
    if not trusted:
        distrust(ledger, owner(ledger), "why")
    box = [Mail(uidl, A.octets)]
    run = Run(ledger)
    fail_fetch(run.listing, run.look(box)[0], "no", NOW)
    hold(ledger, owner(ledger), tries=1)
    assert problem_count(ledger, 1) == (1, 0)


def test_only_what_was_named_is_released(ledger: Ledger) -> None:
    """Other messages, and those without a problem, stay as they are."""
    run = Run(ledger)
    for listed in run.look([A, B]):
        fail_fetch(run.listing, listed, "no", NOW)
    hold(ledger, owner(ledger), tries=1)
    assert release(ledger, NAME, ["c"]) == []
    assert release(ledger, "another", None) == []
    assert [one.uidl for one in release(ledger, NAME, ["b", "c"])] == ["b"]
    assert [(one.uidl, one.problem) for one in problems(ledger)] == [("a", "held")]
