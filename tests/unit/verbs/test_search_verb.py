import json
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.cli.search import show
from archiver.index import Hit, Index, Location, prepare
from archiver.model import Address, Mail, Part
from archiver.query import parse
from archiver.verbs.search import hit_json, search

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


def test_search(tmp_path: Path) -> None:
    """The newest messages that hold the words are found, at most as many as asked for."""
    index = Index.open(tmp_path / "index.db")
    for number in range(3):
        digest = f"{number:064x}"
        message = Mail(digest, digest, 10, date=number, text="alpha beta")
        index.add([(prepare(message), Location("me", f"mail/{number}", 0, 10))])
    assert [found.date for found in search(index, parse("beta alpha", now=0.0), limit=2)] == [2, 1]
    assert search(index, parse("gamma", now=0.0), limit=2) == []
    index.close()


def test_a_hit_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """What a message says of itself reaches a terminal without what a terminal would obey."""
    nasty = "a\x1b]0;b\x07\u202ec"
    show(replace(HIT, subject=nasty, snippet=nasty, author=Address(nasty, "x@example.com")))
    assert not {"\x1b", "\x07", "\u202e"} & set(capsys.readouterr().out)
