"""Mails, places and filled indexes for the tests of the index."""

import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archiver.index import Entry, Index, Location, prepare
from archiver.model import Mail
from archiver.query import Query, parse

_numbers = itertools.count()


def mail(text: str = "", **fields: Any) -> Mail:
    """A message unlike any other, with ``text`` as its body."""
    digest = hashlib.sha256(b"mail %d" % next(_numbers)).hexdigest()
    return Mail(**{"digest": digest, "header_digest": digest, "size": 1000, "text": text, **fields})


def located(message: Mail, account: str = "me@example.com") -> tuple[Entry, Location]:
    """What the index is given of a message that this account has."""
    key = f"mail/{account}/2026/07/04/0190163d/{message.digest}.eml"
    return prepare(message), Location(account=account, key=key, offset=0, length=message.size)


@contextmanager
def index_of(*mails: Mail) -> Iterator[Index]:
    """An index that holds these messages, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as directory:
        index = Index.open(Path(directory) / "index.db")
        try:
            index.add(map(located, mails))
            yield index
        finally:
            index.close()


def asked(typed: str) -> Query:
    """What a person asks with these words."""
    return parse(typed, now=0.0)


def finds(message: Mail, words: str) -> bool:
    """Whether a search for ``words`` finds ``message`` where it is the only one."""
    with index_of(message) as index:
        return [hit.digest for hit in index.search(asked(words))] == [message.digest]
