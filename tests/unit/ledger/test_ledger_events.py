from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_helpers import NOW, Mail, archive_all, mail, new_ledger, owner, visit

from archiver.format import read_manifest
from archiver.ledger import Ledger, events, manifests
from archiver.ledger.accounts import distrust
from archiver.ledger.holding import give_up, hold, release
from archiver.ledger.manifests import Manifest
from archiver.ledger.versions import problems

A, B = mail("a", "first"), mail("b", "second")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def told(ledger: Ledger) -> list[dict[str, Any]]:
    """What the next manifest says, which is then proven."""
    return [*records(seal(ledger))]


def seal(ledger: Ledger) -> Manifest:
    """The next manifest of events alone, proven."""
    made = manifests.draft(ledger, owner(ledger), None, NOW)
    manifests.seal(ledger, made, NOW)
    return made


def records(manifest: Manifest) -> list[dict[str, Any]]:
    """The records of a manifest."""
    return read_manifest(manifest.octets)[1]


def test_nothing_happened(ledger: Ledger) -> None:
    """A run that changes nothing leaves nothing to tell."""
    visit(ledger, A, B)
    archive_all(ledger)
    visit(ledger, A, B)
    events.describe(ledger, owner(ledger))
    assert not events.waiting(ledger, owner(ledger))


def test_message_leaves_and_returns(ledger: Ledger) -> None:
    """The chain tells that a message left the server, and that it is listed again."""
    visit(ledger, A, B)
    archive_all(ledger)
    visit(ledger, B)
    digest = ledger.value("SELECT lower(hex(digest)) FROM messages WHERE uidl = 'a'")
    assert told(ledger) == [{"kind": "vanished", "uidl": "a", "digest": digest}]
    visit(ledger, A, B)
    size = len(A.octets)
    assert told(ledger) == [{"kind": "listed", "uidl": "a", "digest": digest, "listed_size": size}]
    assert not events.waiting(ledger, owner(ledger))


def test_link_leaves_before_it_is_named(ledger: Ledger) -> None:
    """A link that vanished before a manifest named it is told to have vanished, after its name."""
    visit(ledger, A)
    archive_all(ledger)
    visit(ledger, A, Mail("twin", A.octets))
    visit(ledger, A)
    archive_all(ledger)
    assert [(one["kind"], one["uidl"]) for one in told(ledger)] == [("vanished", "twin")]


def test_account_is_described_once(ledger: Ledger) -> None:
    """What is known of the account is told when it changed, and not again."""
    visit(ledger, A)
    archive_all(ledger)
    distrust(ledger, owner(ledger), "it lies")
    events.describe(ledger, owner(ledger))
    (described,) = told(ledger)
    assert (described["kind"], described["distrusted"]) == ("account", "it lies")
    assert described["host"] == "pop.example.com"
    events.describe(ledger, owner(ledger))
    assert not events.waiting(ledger, owner(ledger))


def refused(ledger: Ledger) -> None:
    """A message was refused five times."""
    with ledger.write() as db:
        db.execute(
            "INSERT INTO messages (account_id, uidl, listed_size, stage, listed_at, problem,"
            " reason, tries) VALUES (1, 'x', 7, 'listed', 0, 'failed', 'refused', 5)"
        )


def test_held_and_released(ledger: Ledger) -> None:
    """A message that waits for a person is told of, and its release too."""
    visit(ledger, A)
    refused(ledger)
    hold(ledger, owner(ledger), tries=5)
    release(ledger, [one.row for one in problems(ledger)])
    held, released, _ = told(ledger)
    assert held == {
        "kind": "held",
        "uidl": "x",
        "digest": None,
        "listed_size": 7,
        "reason": "refused",
    }
    assert (released["kind"], released["uidl"]) == ("released", "x")
    assert "given_up" not in released


def test_given_up(ledger: Ledger) -> None:
    """That a message was given up is told, with its reason, and that this was taken back."""
    visit(ledger, A)
    refused(ledger)
    give_up(ledger, [one.row for one in problems(ledger)])
    given_up, _ = told(ledger)
    assert given_up == {
        "kind": "released",
        "uidl": "x",
        "digest": None,
        "listed_size": 7,
        "reason": "refused",
        "given_up": True,
    }
    release(ledger, [one.row for one in problems(ledger)])
    (released,) = told(ledger)
    assert (released["kind"], "given_up" in released) == ("released", False)


def test_crash_before_proof(ledger: Ledger) -> None:
    """A drafted manifest keeps its events until it is proven; a dropped one gives them back."""
    visit(ledger, A)
    archive_all(ledger)
    visit(ledger)
    lost = manifests.draft(ledger, owner(ledger), None, NOW)
    assert manifests.unproven(ledger, owner(ledger)) == lost
    assert events.waiting(ledger, owner(ledger)) == 1
    manifests.move_chain(ledger, lost)
    assert [one["kind"] for one in told(ledger)] == ["vanished"]
    assert not events.waiting(ledger, owner(ledger))


def test_many_events(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """More events than one manifest takes are told by several, in their order."""
    monkeypatch.setattr(events, "MOST_IN_A_MANIFEST", 2)
    box = [mail(str(n), f"word{n}") for n in range(5)]
    visit(ledger, *box)
    archive_all(ledger)
    visit(ledger)
    several = [told(ledger) for _ in range(3)]
    assert [one["uidl"] for some in several for one in some] == ["0", "1", "2", "3", "4"]
    assert not events.waiting(ledger, owner(ledger))


def test_events_go_with_a_batch(ledger: Ledger) -> None:
    """The manifest of a batch takes waiting events along, before what the batch brought."""
    visit(ledger, A)
    archive_all(ledger)
    visit(ledger, B)
    archive_all(ledger)
    assert not events.waiting(ledger, owner(ledger))
