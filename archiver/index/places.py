"""Where raw octets lie, without saying again for each message what a batch has in common.

A key holds its message's digest, which the index knows already. Without it, the keys of a batch
are one row of ``places``: written out, they would be an eighth of the text of short mails.
"""

import sqlite3
from typing import Final

from archiver.index.entry import Location

_FIND: Final = """
    SELECT id FROM places WHERE account = ? AND prefix = ? AND suffix = ? AND has_digest = ?
"""
_INSERT: Final = "INSERT INTO places (account, prefix, suffix, has_digest) VALUES (?, ?, ?, ?)"
# An object that was repaired lies under a new key, so the last one told is the one to read.
_FORGET_OTHERS: Final = """
    DELETE FROM locations WHERE message = ? AND place IN (SELECT id FROM places WHERE account = ?)
"""
_ADD: Final = 'INSERT INTO locations (message, place, "offset", length) VALUES (?, ?, ?, ?)'
_OF_MESSAGE: Final = """
    SELECT account, prefix, suffix, has_digest, "offset", length
    FROM locations JOIN places ON places.id = place WHERE message = ? ORDER BY account
"""


class LocationWriter:
    """Locations of one batch; it remembers the places that the batch has met."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Inserts through ``connection``, which is in a transaction."""
        self._connection = connection
        self._places: dict[tuple[str, str, str, bool], int] = {}

    def put(self, message: int, digest: str, location: Location) -> None:
        """Makes ``location`` the one where its account has the message."""
        place = self._place(digest, location)
        self._connection.execute(_FORGET_OTHERS, (message, location.account))
        self._connection.execute(_ADD, (message, place, location.offset, location.length))

    def _place(self, digest: str, location: Location) -> int:
        prefix, found, suffix = location.key.partition(digest)
        values = (location.account, prefix, suffix, found != "")
        known = self._places.get(values)
        if known is None:
            known = self._places[values] = self._find(values) or self._insert(values)
        return known

    def _find(self, values: tuple[str, str, str, bool]) -> int | None:
        row = self._connection.execute(_FIND, values).fetchone()
        return None if row is None else int(row[0])

    def _insert(self, values: tuple[str, str, str, bool]) -> int:
        row = self._connection.execute(_INSERT, values).lastrowid
        assert row is not None
        return row


def locations(connection: sqlite3.Connection, message: int, digest: str) -> list[Location]:
    """Where each account has the message, in the alphabetical order of accounts."""
    return [
        Location(account, prefix + digest * has_digest + suffix, offset, length)
        for account, prefix, suffix, has_digest, offset, length in connection.execute(
            _OF_MESSAGE, (message,)
        )
    ]
