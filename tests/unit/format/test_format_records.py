"""Records: what the ledger writes is read back, and what it cannot have written is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest

from archiver.errors import IntegrityError
from archiver.format import (
    account_json,
    archived_json,
    linked_json,
    parse_record,
    part_key,
    raw_key,
)
from archiver.format.records import (
    AccountSays,
    Archived,
    ArchivedPart,
    BatchName,
    CheckpointAt,
    Deleted,
    Gone,
    Held,
    Linked,
    ListedAgain,
    Moved,
    Record,
    Released,
    SharedHeader,
    Vanished,
)
from archiver.model import Kind, Locator, Origin, Proof

D, E = "ab" * 32, "cd" * 32
DAY = "2026-05-28"
AT, AT_TEXT = 1_780_000_000, "2026-05-28T20:26:40Z"
RAW = Locator(raw_key("me", DAY, "b", D), 9, etag="e", version_id="v")
PART = Locator(part_key("me", DAY, "a", E), 3)
ARCHIVED = Archived(
    uidl="ü",
    digest=D,
    header_digest=E,
    size=9,
    listed_size=None,
    host="pop.example.com",
    utf8=True,
    anomalies=("bare-lf",),
    raw=RAW,
    proof=Proof.LISTED,
    parts=(ArchivedPart(E, PART, Proof.READ),),
    fetched_at=AT,
    archived_at=AT + 5,
    batch=BatchName(DAY, "b"),
)
LINKED = Linked(None, D, 5, BatchName(DAY, "c"), AT)


def through(record: dict[str, Any]) -> Record | None:
    """What a record says after it was a line."""
    return parse_record(json.loads(json.dumps(record)))


def test_written_records() -> None:
    """Records that are written here say the same when they are read."""
    assert through(archived_json(ARCHIVED)) == ARCHIVED
    assert through(linked_json(LINKED)) == LINKED
    origin = Origin("maildir", ("Old/2020",), ("\\Seen",), AT)
    for each in (origin, Origin("mbox")):
        imported = replace(ARCHIVED, uidl=None, host=None, utf8=None, origin=each)
        assert through(archived_json(imported)) == imported
    says = AccountSays("pop.example.com", None, "it lies", True)
    assert through(account_json(says)) == says


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"kind": "listed", "uidl": "u", "digest": D, "listed_size": 4}, ListedAgain("u", D, 4)),
        ({"kind": "vanished", "uidl": None, "digest": D}, Vanished(None, D)),
        (
            {"kind": "deleted", "uidl": "u", "digest": D, "said": "bye", "at": AT_TEXT},
            Deleted("u", D, "bye", AT),
        ),
        ({"kind": "gone", "uidl": "u", "digest": D, "at": AT_TEXT}, Gone("u", D, AT)),
        (
            {"kind": "held", "uidl": "u", "digest": None, "listed_size": 4, "reason": "no"},
            Held("u", None, 4, "no"),
        ),
        ({"kind": "released", "uidl": "u", "digest": D}, Released("u", D)),
        (
            {
                "kind": "released",
                "uidl": "u",
                "digest": None,
                "listed_size": 4,
                "reason": "no",
                "given_up": True,
            },
            Released("u", None, 4, "no", True),
        ),
        (
            {
                "kind": "moved",
                "what": "part",
                "digest": E,
                "locator": {"key": PART.key, "length": 3},
                "proof": "read",
                "at": AT_TEXT,
            },
            Moved(Kind.PART, E, PART, Proof.READ, AT),
        ),
        ({"kind": "checkpoint", "sequence": 7, "digest": D, "key": "k"}, CheckpointAt(7, D, "k")),
        ({"kind": "shared_header", "header_digest": D}, SharedHeader(D)),
        ({"kind": "signature", "signature": "x"}, None),
        ({"kind": "of later"}, None),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_events(record: dict[str, Any], said: Record | None) -> None:
    """Each kind says what it is for; one that is unknown says nothing, and is no error."""
    assert parse_record({**record, "later": 1}) == said


def test_older_writers() -> None:
    """What an older writer did not say is taken from what it did."""
    older = archived_json(ARCHIVED)
    del older["batch"], older["parts"][0]["proof"]
    said = through(older)
    assert isinstance(said, Archived)
    assert (said.batch, said.parts[0].proof) == (BatchName(DAY, "b"), None)
    linked = linked_json(LINKED)
    del linked["batch"], linked["archived_at"]
    assert through(linked) == Linked(None, D, 5, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"uidl": 5},
        {"uidl": "\ud800"},
        {"digest": None},
        {"digest": D.upper()},
        {"digest": E},
        {"header_digest": "x"},
        {"size": -1},
        {"size": 1.5},
        {"listed_size": "9"},
        {"source": None},
        {"source": {"anomalies": [1]}},
        {"source": {"anomalies": "x"}},
        {"source": {"utf8": 1}},
        {"raw": None},
        {"raw": {"key": "mail/me/x.eml", "length": 9}},
        {"raw": {"key": PART.key, "length": 9}},
        {"raw": {"key": RAW.key}},
        {"raw": {"key": RAW.key, "length": 9, "offset": 5}},
        {"raw": {"key": RAW.key, "length": 9, "codec": "zstd"}},
        {"raw": {"key": RAW.key, "length": 9, "enc": "x"}},
        {"proof": None},
        {"proof": "hearsay"},
        {"parts": None},
        {"parts": [5]},
        {"parts": [{"digest": E, "locator": {"key": RAW.key, "length": 9}}]},
        {"fetched_at": None},
        {"archived_at": "now"},
        {"batch": "b"},
        {"batch": "a/b/c"},
        {"batch": 5},
    ],
    ids=str,
)
def test_damaged_record(change: dict[str, Any]) -> None:
    """A record that no ledger could hold raises the one error for that."""
    with pytest.raises(IntegrityError, match="of kind archived"):
        parse_record({**archived_json(ARCHIVED), **change}, "this manifest")


def test_damaged_move() -> None:
    """What moved is raw or a part."""
    with pytest.raises(IntegrityError, match="neither raw nor part"):
        parse_record({"kind": "moved", "what": "index"})
