import json
from dataclasses import replace

import pytest

from archiver.cli.found import show_hit
from archiver.index import Hit, Location, Total
from archiver.model import Address, Part
from archiver.verbs.search import csv_rows, hit_json, total_json

HIT = Hit(
    digest="ab" * 32,
    message_id="<1@example.com>",
    places=(
        Location("amy", "mail/amy/x.eml", 5, 1234),
        Location("zoe", "mail/zoe/x.eml", 0, 1234),
    ),
    date=1_751_630_400,
    author=Address("Zoë", "zoe@example.com"),
    to=(Address("", "amy@example.com"),),
    subject="Grüße",
    size=1234,
    attachments=(Part("cd" * 32, 99, "image/png", "a.png"),),
    snippet="some text",
)


def test_json_of_a_hit() -> None:
    """The fields, their names and their forms are those that scripts rely on."""
    assert hit_json(HIT) == {
        "digest": "ab" * 32,
        "message_id": "<1@example.com>",
        "accounts": ["amy", "zoe"],
        "date": "2025-07-04T12:00:00Z",
        "from": {"name": "Zoë", "address": "zoe@example.com"},
        "to": [{"name": "", "address": "amy@example.com"}],
        "subject": "Grüße",
        "size": 1234,
        "attachments": [{"name": "a.png", "type": "image/png", "size": 99, "digest": "cd" * 32}],
        "snippet": "some text",
        "key": "mail/amy/x.eml",
        "offset": 5,
        "length": 1234,
    }


def test_json_of_a_bare_hit() -> None:
    """What a message lacks is null or empty, never left out."""
    bare = hit_json(replace(HIT, message_id=None, date=None, author=None, to=(), attachments=()))
    assert bare.keys() == hit_json(HIT).keys()
    assert (bare["message_id"], bare["date"], bare["from"]) == (None, None, None)
    assert (bare["to"], bare["attachments"]) == ([], [])
    json.dumps(bare)


def test_a_hit_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """What a message says of itself reaches a terminal without what a terminal would obey."""
    nasty = "a\x1b]0;b\x07\u202ec"
    show_hit(replace(HIT, subject=nasty, snippet=nasty, author=Address(nasty, "x@example.com")))
    assert not {"\x1b", "\x07", "\u202e"} & set(capsys.readouterr().out)


def test_csv_of_a_hit() -> None:
    """People and accounts are lists in a cell, and nothing begins a formula."""
    (row,) = csv_rows(
        [replace(HIT, subject="=1+1", to=(Address("A B", "a@x"), Address("", "c@y")))]
    )
    assert row == [
        "ab" * 32,
        "2025-07-04T12:00:00Z",
        "Zoë <zoe@example.com>",
        "A B <a@x>; c@y",
        "",
        "'=1+1",
        "1234",
        "amy; zoe",
        "a.png",
        "<1@example.com>",
        "mail/amy/x.eml",
    ]


def test_json_of_totals() -> None:
    """A row says by what it counts; that of all messages says so with null."""
    assert total_json(Total("x@y", 2, 30), "sender") == {
        "by": "sender",
        "key": "x@y",
        "messages": 2,
        "bytes": 30,
    }
    assert total_json(Total("", 2, 30), None)["key"] is None
