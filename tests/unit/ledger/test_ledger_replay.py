"""Replay: the ledger that manifests give is the one that was lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_dump import dump
from ledger_helpers import (
    DAY,
    NAME,
    NOW,
    STORE,
    Mail,
    Run,
    archive_all,
    draft,
    mail,
    new_ledger,
    owner,
    store,
    visit,
)
from replay_helpers import chronicle, listening, replayed, restored, same

from archiver.errors import IntegrityError
from archiver.format import part_key, read_manifest
from archiver.ledger import Ledger, copies, landing, manifests, returning
from archiver.ledger.accounts import distrust, fix_utf8, note_retiring
from archiver.ledger.holding import give_up, hold, release
from archiver.ledger.replay import Replay
from archiver.ledger.versions import problems
from archiver.model import Copy, Kind, Locator, Proof

A, B, C = mail("a", "first"), mail("b", "second"), mail("c", "third")
PART = "ef" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


@pytest.fixture
def told() -> Iterator[list[manifests.Manifest]]:
    """Every manifest that is sealed, in their order."""
    with listening() as made:
        yield made


def test_one_batch(ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path) -> None:
    """Messages, their copies and their batch come back."""
    visit(ledger, A, B, mail(None, "nameless"))
    same(ledger, told, tmp_path)


def test_batches_links_and_parts(
    ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path
) -> None:
    """Links come back with their batches, and a part that several messages share is one."""
    run = Run(ledger)
    wanted = run.look([A, B, C])
    run.take([A, B, C], wanted[:1])
    run.take([A, B, C], wanted[1:])
    first, second = run.batches
    locator = Locator(part_key(NAME, DAY, first, PART), 3, etag="p", version_id="7")
    parts = [PART, PART]
    digests = [m.digest for name in run.batches for m in landing.load(ledger, name).messages]
    copies.record_upload(
        ledger,
        owner(ledger),
        first,
        copies=[Copy(Kind.PART, PART, locator, Proof.READ)],
        parts=dict.fromkeys(digests, parts),
        now=NOW,
    )
    store(ledger, second, Proof.CHECKSUM)
    visit(ledger, A, B, C, Mail("twin", A.octets))
    same(ledger, told, tmp_path)


def test_leaving_and_coming_back(
    ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path
) -> None:
    """What vanished has vanished, what came back is there, and a size that changed has changed."""
    visit(ledger, A, B, C, Mail("twin", A.octets))
    chronicle(ledger)
    visit(ledger, B)
    chronicle(ledger)
    visit(ledger, Mail("b", B.octets, size=7), C)
    same(ledger, told, tmp_path)


def test_deletion(ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path) -> None:
    """What was deleted is known to be, with the server's words, and what is gone is gone."""
    visit(ledger, A, B, C)
    archive_all(ledger)
    with ledger.write() as db:
        db.execute("UPDATE messages SET stage = 'delete_sent', left_at = 1780000100")
        db.execute("UPDATE messages SET said = 'bye' WHERE uidl <> 'c'")
        db.execute("UPDATE messages SET said = '' WHERE uidl = 'c'")
    chronicle(ledger)
    lost = dump(ledger)
    assert replayed(tmp_path / "before.db", told) == lost
    visit(ledger, B)
    same(ledger, told, tmp_path)
    stages = {row[1]: row[5] for row in dump(ledger)["messages"]}
    assert stages == {"a": "gone", "b": "archived", "c": "gone"}


def test_shared_header(ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path) -> None:
    """A header that was seen to identify nothing still does not."""
    visit(ledger, A)
    archive_all(ledger)
    with ledger.write() as db:
        db.execute("INSERT INTO shared_headers SELECT 1, header_digest FROM messages")
    same(ledger, told, tmp_path)
    assert dump(ledger)["headers"]


def test_account(ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path) -> None:
    """What sessions taught about the server is known again."""
    visit(ledger, A)
    fix_utf8(ledger, owner(ledger), True)
    chronicle(ledger)
    distrust(ledger, owner(ledger), "it lies")
    note_retiring(ledger, owner(ledger))
    same(ledger, told, tmp_path)


def test_versions(ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path) -> None:
    """Other octets under a known UIDL are another version of it, and the newest is the newest."""
    visit(ledger, A, B)
    chronicle(ledger)
    visit(ledger, mail("a", "another"), B, top=False)
    same(ledger, told, tmp_path)
    assert len(dump(ledger)["versions"]) == 3


def refuse(ledger: Ledger, uidl: str | None, size: int | None = 7) -> None:
    """A message that was refused as often as one may be, and is held."""
    with ledger.write() as db:
        db.execute(
            "INSERT INTO messages (account_id, uidl, listed_size, stage, listed_at, problem,"
            " reason, tries) VALUES (1, ?, ?, 'listed', 0, 'failed', 'refused', 5)",
            (uidl, size),
        )
    hold(ledger, owner(ledger), tries=5)


def test_held(ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path) -> None:
    """A message that waits for a person goes on waiting; one that was released does not."""
    visit(ledger, A)
    refuse(ledger, "x")
    refuse(ledger, "y")
    release(ledger, [one.row for one in problems(ledger) if one.uidl == "y"])
    same(ledger, told, tmp_path)
    assert len(dump(ledger)["held"]) == 1
    refuse(ledger, "z", None)
    visit(ledger, A, Mail("x", B.octets, size=7))
    chronicle(ledger)
    assert [row[1] for row in dump(ledger)["held"]] == ["x"]
    assert replayed(tmp_path / "again.db", told) == dump(ledger)


def test_given_up(ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path) -> None:
    """A message that was given up stays so, unless that was taken back, or it came after all."""
    visit(ledger, A)
    for uidl in "wxy":
        refuse(ledger, uidl)
    chronicle(ledger)
    give_up(ledger, [one.row for one in problems(ledger)])
    release(ledger, [one.row for one in problems(ledger) if one.uidl == "w"])
    visit(ledger, A, Mail("x", B.octets, 7), Mail("y", C.octets, 99))
    same(ledger, told, tmp_path)
    assert [(row[1], row[4]) for row in dump(ledger)["held"]] == [("x", "given_up")]


def test_given_up_with_its_octets(
    ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path
) -> None:
    """A message whose octets were set aside, or then discarded, stays given up without them."""
    visit(ledger, A)
    chronicle(ledger)
    run = Run(ledger)
    run.visit([A, B, C])
    for message in landing.load(ledger, run.batches[0]).messages:
        landing.set_aside(ledger, [message], draft(message.length), "bad", NOW)
    manifests.close_empty(ledger, run.batches[0], NOW)
    hold(ledger, owner(ledger), tries=1)
    give_up(ledger, [one.row for one in problems(ledger)])
    (discarded,) = [one for one in problems(ledger) if one.uidl == "c"]
    returning.give_back(ledger, discarded.segment)
    chronicle(ledger)
    lost = dump(ledger)
    assert [(row[1], row[4]) for row in lost["held"]] == [("b", "given_up"), ("c", "given_up")]
    assert replayed(tmp_path / "fresh.db", told)["held"] == lost["held"]
    assert restored(ledger, tmp_path)["held"] == lost["held"]


def test_held_message_is_fetched_after_all(
    ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path
) -> None:
    """A message that was held and then came waits no longer."""
    visit(ledger, A)
    refuse(ledger, "b")
    chronicle(ledger)
    visit(ledger, A, B)
    same(ledger, told, tmp_path)
    assert not dump(ledger)["held"]


def test_damaged_manifest_leaves_nothing(
    ledger: Ledger, told: list[manifests.Manifest], tmp_path: Path
) -> None:
    """A manifest that turns out to be damaged at its last record is as if it were not there."""
    visit(ledger, A)
    archive_all(ledger)
    before = len(told)
    visit(ledger, A, B, C)
    archive_all(ledger)
    good = [read_manifest(manifest.octets)[1] for manifest in told]
    with Ledger.open(tmp_path / "fresh.db") as fresh:
        with Replay(fresh, STORE) as replay:
            account = replay.account(NAME)
            for records in good[:before]:
                account.apply(records, "good")
            with pytest.raises(IntegrityError, match="this one"):
                account.apply([*good[before], {"kind": "gone"}], "this one")
            account.apply([{"kind": "vanished", "uidl": "a", "digest": PART}], "good")
            account.finish([], NOW)
        found = dump(fresh)
    assert [row[1] for row in found["messages"]] == ["a"]
    assert [row[5] for row in found["messages"]] == ["archived"]
    assert len(found["copies"]) == len(found["batches"]) == 1
