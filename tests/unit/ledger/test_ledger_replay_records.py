"""Replay of records that no single ledger writes: chains joined, older writers, strangers."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledger_dump import dump
from ledger_helpers import NAME, NOW, STORE

from archiver.errors import IntegrityError
from archiver.format import account_json, archived_json, linked_json, part_key, raw_key
from archiver.format.records import AccountSays, Archived, ArchivedPart, BatchName, Linked
from archiver.ledger import Ledger
from archiver.ledger.replay import AccountReplay, Replay
from archiver.model import Locator, Proof

DAY = "2026-05-28"
Said = dict[str, Any]


def sha(word: str) -> str:
    """The digest of a word."""
    return hashlib.sha256(word.encode()).hexdigest()


def archived(uidl: str | None, word: str, batch: str, *parts: str, at: int = 9) -> Archived:
    """A message of these octets, archived with a batch."""
    digest = sha(word)
    return Archived(
        uidl=uidl,
        digest=digest,
        header_digest=sha(f"header of {word}"),
        size=len(word),
        listed_size=len(word),
        host="pop.example.com",
        utf8=False,
        anomalies=(),
        raw=Locator(raw_key(NAME, DAY, batch, digest), len(word)),
        proof=Proof.LISTED,
        parts=tuple(
            ArchivedPart(sha(part), Locator(part_key(NAME, DAY, where, sha(part)), 1), Proof.READ)
            for where, part in (each.split("/") for each in parts)
        ),
        fetched_at=at - 1,
        archived_at=at,
        batch=BatchName(DAY, batch),
    )


def linked(uidl: str, word: str, batch: str, at: int = 9) -> Said:
    """A link to these octets."""
    return linked_json(Linked(uidl, sha(word), 3, BatchName(DAY, batch), at))


class Fresh:
    """A ledger to which records are applied, each as a manifest of its own."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger.open(path)
        self.dropped = 0

    def take(self, *records: Said | Archived, name: str = NAME) -> None:
        """Applies records and completes the account."""
        with Replay(self.ledger, STORE) as replay:
            account = replay.account(name)
            for record in records:
                self.apply(account, record)
            self.dropped = account.finish([], NOW)

    def apply(self, account: AccountReplay, record: Said | Archived) -> None:
        """Applies a record."""
        said = archived_json(record) if isinstance(record, Archived) else record
        account.apply([said], "a manifest")

    def messages(self) -> list[tuple[str, str, str, int | None]]:
        """UIDL, stage, batch and place in it of every message."""
        return [(row[1], row[5], row[6], row[7]) for row in dump(self.ledger)["messages"]]

    def copies(self) -> list[tuple[str, str]]:
        """Kind and batch of every copy."""
        return [(row[1], row[3]) for row in dump(self.ledger)["copies"]]

    def batches(self) -> dict[str, int]:
        """When each batch was archived."""
        return dict(self.ledger.rows("SELECT name, archived_at FROM batches"))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Fresh]:
    """An empty ledger."""
    made = Fresh(tmp_path / "ledger.db")
    yield made
    made.ledger.close()


def test_two_writers_archived_it(fresh: Fresh) -> None:
    """Of a message that two writers archived, the first copy counts, and the message is one."""
    fresh.take(archived("a", "one", "b1", "b1/p"), archived("a", "one", "b2", "b2/p"))
    assert fresh.messages() == [("a", "archived", "b1", 1)]
    assert fresh.copies() == [("part", "b1"), ("raw", "b1")]


@pytest.mark.parametrize("order", [1, -1])
def test_archived_counts_more_than_linked(fresh: Fresh, order: int) -> None:
    """What one writer archived and another linked is archived, whoever was first."""
    said: list[Said | Archived] = [archived("a", "one", "b1"), linked("a", "one", "b2")]
    fresh.take(archived("z", "one", "b0"), *said[::order])
    assert fresh.messages() == [("a", "archived", "b1", 1), ("z", "archived", "b0", 1)]


def test_last_word_about_the_server(fresh: Fresh) -> None:
    """What became of a message on the server is what was said last."""
    here = {"uidl": "a", "digest": sha("one")}
    fresh.take(
        archived("a", "one", "b1"),
        {"kind": "deleted", "said": None, "at": "2026-05-28T20:26:40Z", **here},
        {"kind": "gone", "at": "2026-05-29T20:26:40Z", **here},
        archived("a", "one", "b2"),
        linked("b", "one", "b3"),
        {"kind": "vanished", **here},
        {"kind": "listed", "listed_size": 8, **here},
    )
    assert fresh.messages() == [("a", "archived", "b1", 1), ("b", "linked", "b3", None)]
    assert fresh.ledger.row("SELECT listed_size, said, left_at FROM messages WHERE uidl = 'a'") == (
        8,
        None,
        None,
    )


def test_unknown_message(fresh: Fresh) -> None:
    """An event about a message that nobody archived does nothing."""
    fresh.take(
        archived("a", "one", "b1"),
        {"kind": "vanished", "uidl": "x", "digest": sha("x")},
        {"kind": "of later"},
    )
    assert fresh.messages() == [("a", "archived", "b1", 1)]


def test_link_to_nothing(fresh: Fresh) -> None:
    """A link to octets that nothing named is dropped, and said to be: it is fetched again."""
    fresh.take(archived("a", "one", "b1"), linked("b", "two", "b2"), linked("c", "one", "b3"))
    assert fresh.messages() == [("a", "archived", "b1", 1), ("c", "linked", "b3", None)]
    assert fresh.dropped == 1
    assert not fresh.ledger.value("SELECT count(*) FROM messages WHERE header_digest IS NULL")


def test_part_of_another_batch(fresh: Fresh) -> None:
    """A batch that a part names before it is named itself has its own time in the end."""
    early = archived("a", "one", "b1", "b2/p", "b3/q", at=5)
    fresh.take(early, archived("b", "two", "b2", at=7))
    assert fresh.batches() == {"b1": 5, "b2": 7, "b3": 5}
    assert {*fresh.copies()} == {("part", "b2"), ("part", "b3"), ("raw", "b1"), ("raw", "b2")}
    assert not fresh.ledger.value("SELECT count(*) FROM batches WHERE archived_at IS NULL")


def test_order_within_batch(fresh: Fresh) -> None:
    """Messages of a batch keep their order, also when two manifests name it."""
    words = ("one", "two", "three")
    fresh.take(*(archived(word, word, "b1") for word in words))
    fresh.take(archived("four", "four", "b1"))
    rows = fresh.ledger.rows("SELECT uidl FROM messages ORDER BY offset")
    assert [row[0] for row in rows] == [*words, "four"]


def test_older_writer(fresh: Fresh) -> None:
    """Manifests of an older writer, which say less, give a ledger that works."""
    said = archived_json(archived("a", "one", "b1", "b1/p"))
    del said["batch"], said["parts"][0]["proof"]
    link = linked("b", "one", "b2")
    del link["batch"], link["archived_at"]
    fresh.take(said, link)
    assert [row[:2] for row in fresh.messages()] == [("a", "archived"), ("b", "linked")]
    (account,) = dump(fresh.ledger)["accounts"]
    assert account[2:] == ("pop.example.com", 0, None, 0)
    assert not fresh.ledger.value("SELECT count(*) FROM messages WHERE batch_id IS NULL")


def test_distrusted_for_good(fresh: Fresh) -> None:
    """An account that one writer distrusted stays so, whatever another said later."""
    says = AccountSays("pop.example.com", None, "it lies", True)
    later = replace(says, distrusted=None, retires=False, utf8=True)
    fresh.take(account_json(says), account_json(later))
    (account,) = dump(fresh.ledger)["accounts"]
    assert account[2:] == ("pop.example.com", 1, "it lies", 1)
    fresh.take(account_json(replace(later, host="other.example.com")))
    (account,) = dump(fresh.ledger)["accounts"]
    assert account[2:] == ("other.example.com", 1, "it lies", 0)


def test_moved(fresh: Fresh) -> None:
    """A copy that was repaired is where it was moved to; its message stays in its batch."""
    one = archived("a", "one", "b1", "b1/p")
    for what, key in (
        ("raw", raw_key(NAME, DAY, "b9", sha("one"))),
        ("part", part_key(NAME, DAY, "b9", sha("p"))),
    ):
        fresh.take(
            one,
            {
                "kind": "moved",
                "what": what,
                "digest": key.rpartition("/")[2].removesuffix(".eml"),
                "locator": {"key": key, "length": 3, "etag": "new"},
                "proof": "read",
                "at": "2026-05-28T20:26:40Z",
            },
        )
    fresh.take(one)
    assert fresh.messages() == [("a", "archived", "b1", 1)]
    assert fresh.copies() == [("part", "b9"), ("raw", "b9")]
    assert {row[5] for row in dump(fresh.ledger)["copies"]} == {"new"}


def test_foreign_objects(fresh: Fresh) -> None:
    """A manifest names no object and no batch of another account."""
    foreign = replace(
        archived("a", "one", "b1"), raw=Locator(raw_key("you", DAY, "b1", sha("one")), 3)
    )
    with pytest.raises(IntegrityError, match="not of account"):
        fresh.take(foreign)


def test_batch_of_two_accounts(fresh: Fresh) -> None:
    """A batch belongs to one account and one day."""
    fresh.take(archived("a", "one", "b1"))
    with pytest.raises(IntegrityError, match="named before"):
        fresh.take(linked("a", "one", "b1"), name="you")


HELD = {"kind": "held", "listed_size": 3, "reason": "refused"}


def test_held(fresh: Fresh) -> None:
    """What was held is once, unless it has no UIDL, or its octets are archived by now."""
    fresh.take(
        archived("a", "one", "b1"),
        {**HELD, "uidl": None, "digest": sha("x")},
        {**HELD, "uidl": "a", "digest": sha("one")},
        {**HELD, "uidl": "x", "digest": None},
        {**HELD, "uidl": "x", "digest": None},
        {**HELD, "uidl": "y", "digest": None},
        {"kind": "released", "uidl": "y", "digest": sha("y")},
    )
    assert [row[1] for row in dump(fresh.ledger)["held"]] == ["x"]


def test_held_where_uidls_prove_nothing(fresh: Fresh) -> None:
    """A message that nobody could tell from the next one is not held."""
    says = account_json(AccountSays("h", None, "it lies", False))
    fresh.take({**HELD, "uidl": "x", "digest": None}, says)
    assert not fresh.ledger.value("SELECT count(*) FROM messages")


def test_checkpoint_in_pieces(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of any size is applied in several transactions."""
    monkeypatch.setattr("archiver.ledger.replay._RECORDS_AT_ONCE", 2)
    monkeypatch.setattr("archiver.ledger.replay_records._MOST_REMEMBERED", 2)
    said = [archived_json(archived(f"{n}", f"{n}", f"b{n % 4}", f"b{n}/p")) for n in range(9)]
    with Replay(fresh.ledger, STORE) as replay:
        account = replay.account(NAME)
        assert len([*account.restate(said, "a checkpoint")]) == 5
        account.finish([], NOW)
    assert len(fresh.messages()) == 9
    assert fresh.messages()[8] == ("8", "archived", "b0", 3)
