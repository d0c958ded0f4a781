"""Messages that wait for a person, wherever on their way they failed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger_helpers import NOW, Mail, Run, draft, mail, new_ledger, owner, visit

from archiver.ledger import Ledger, events, landing, returning
from archiver.ledger.accounts import distrust
from archiver.ledger.holding import give_up, hold, is_apart, release
from archiver.ledger.landing import fail_fetch
from archiver.ledger.seen import Counts
from archiver.ledger.status import failing, given_up, problem_count
from archiver.ledger.versions import Version, problems

A, B = mail("a", "first"), mail("b", "second")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def the(ledger: Ledger, uidl: str) -> Version:
    """The only message with a problem under this UIDL."""
    (one,) = [one for one in problems(ledger) if one.uidl == uidl]
    return one


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
    held = the(ledger, "a")
    assert (held.problem, held.tries) == ("held", 3)
    assert held.digest is not None
    release(ledger, [held.row])
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
    release(ledger, [the(ledger, "b").row])
    assert [(one.uidl, one.problem) for one in problems(ledger)] == [("a", "held")]


def refuse(ledger: Ledger, *box: Mail) -> None:
    """A run in which every message that is asked for is refused, and then held."""
    run = Run(ledger)
    for listed in run.look(box):
        fail_fetch(run.listing, listed, "no", NOW)
    hold(ledger, owner(ledger), tries=1)


def give_up_the(ledger: Ledger, uidl: str) -> None:
    """A person gives the message with this UIDL up."""
    give_up(ledger, [the(ledger, uidl).row])


def test_given_up(ledger: Ledger) -> None:
    """A message that was given up is left alone, run after run, and is no failure any more."""
    refuse(ledger, A, B)
    give_up_the(ledger, "a")
    assert problem_count(ledger, 1) == (0, 1)
    assert given_up(ledger, 1) == 1
    assert the(ledger, "a").reason == "no"
    for _ in range(2):
        assert visit(ledger, A, B) == ([], Counts(listed=2, known=1, failed=1))
    release(ledger, [the(ledger, "a").row])
    assert visit(ledger, A, B) == ([A.octets], Counts(listed=2, fetched=1, failed=1))
    assert given_up(ledger, 1) == 0


@pytest.mark.parametrize("decide", [give_up_the, lambda ledger, uidl: None])
def test_another_message_under_that_uidl(
    ledger: Ledger, decide: Callable[[Ledger, str], None]
) -> None:
    """What was decided of a message, or is to be, does not concern one of another size."""
    refuse(ledger, A)
    decide(ledger, "a")
    another = Mail("a", A.octets, 999)
    Run(ledger).look([another])
    assert problem_count(ledger, 1) == (0, 0)
    assert given_up(ledger, 1) == 0
    assert visit(ledger, another)[1] == Counts(listed=1, fetched=1)


def test_given_up_message_that_left(ledger: Ledger) -> None:
    """Nobody decides about a message that left the server: when it is back it is tried."""
    refuse(ledger, A)
    give_up_the(ledger, "a")
    visit(ledger)
    assert given_up(ledger, 1) == 0
    assert visit(ledger, A)[1] == Counts(listed=1, fetched=1)


def test_given_up_octets(ledger: Ledger) -> None:
    """Octets of a message that was given up stay, wait for nothing, and are pending if released."""
    visit(ledger, A)
    fail_upload(ledger, 1)
    assert failing(ledger, 1)
    give_up_the(ledger, "a")
    assert landing.pending(ledger, owner(ledger), tries=99) == []
    assert landing.waiting(ledger, owner(ledger)) == 0
    assert failing(ledger, 1) == set()
    assert [octets for _, octets in landing.segments(ledger, owner(ledger))] == [9]
    assert visit(ledger, A)[1] == Counts(listed=1, known=1)
    release(ledger, [the(ledger, "a").row])
    assert len(landing.pending(ledger, owner(ledger), tries=99)) == 1


def test_segment_of_messages_with_problems_is_lost(ledger: Ledger) -> None:
    """Without their octets, a failed message is fetched again, and one given up stays given up."""
    visit(ledger, A)
    fail_upload(ledger, 3)
    hold(ledger, owner(ledger), tries=3)
    assert is_apart(ledger, the(ledger, "a").row)
    returning.give_back(ledger, the(ledger, "a").segment)
    assert problem_count(ledger, 1) == (0, 0)
    assert visit(ledger, A)[1] == Counts(listed=1, fetched=1)
    fail_upload(ledger, 1)
    give_up_the(ledger, "a")
    returning.give_back(ledger, the(ledger, "a").segment)
    left = the(ledger, "a")
    assert (left.problem, left.reason, left.digest) == ("given_up", "bad store", None)
    assert visit(ledger, A) == ([], Counts(listed=1, known=1))


def test_lost_segment_where_uidls_prove_nothing(ledger: Ledger) -> None:
    """Without its octets, a message that only they identify is not given up any more."""
    visit(ledger, A)
    fail_upload(ledger, 1)
    give_up_the(ledger, "a")
    distrust(ledger, owner(ledger), "why")
    returning.give_back(ledger, the(ledger, "a").segment)
    assert problems(ledger) == []


def test_messages_that_share_a_segment(ledger: Ledger) -> None:
    """The octets of one message cannot go while another needs the file that they are in."""
    visit(ledger, A, B)
    (message, _) = ledger.rows("SELECT id FROM messages ORDER BY id")
    assert not is_apart(ledger, message[0])


def test_idle_run_with_a_message_that_was_given_up(ledger: Ledger) -> None:
    """Once the manifests tell of it, a message that was given up has nothing more to be told."""
    refuse(ledger, A)
    give_up_the(ledger, "a")
    waiting = events.waiting(ledger, owner(ledger))
    visit(ledger, A)
    hold(ledger, owner(ledger), tries=1)
    assert events.waiting(ledger, owner(ledger)) == waiting


def test_distrusted_failure_that_left_twice(ledger: Ledger) -> None:
    """Where UIDLs prove nothing, a failed message that left, came back and left is forgotten."""
    distrust(ledger, owner(ledger), "why")
    for _ in range(2):
        refuse(ledger, A)
        assert problem_count(ledger, 1) == (1, 0)
        visit(ledger)
        assert problem_count(ledger, 1) == (0, 0)
