"""Addresses and file names, each stored once, with the trigrams by which their parts are found."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from archiver.index.normalise import tokens


@dataclass(frozen=True, slots=True)
class Statements:
    """How one table of distinct values is asked for a row, given one, and given its trigrams."""

    find: str
    insert: str
    insert_grams: str | None = None


ADDRESSES: Final = Statements(
    find="SELECT id FROM addresses WHERE name = ? AND address = ?",
    insert="INSERT INTO addresses (name, address) VALUES (?, ?)",
    insert_grams="INSERT INTO address_grams (rowid, words) VALUES (?, ?)",
)
NAMES: Final = Statements(
    find="SELECT id FROM names WHERE name = ?",
    insert="INSERT INTO names (name) VALUES (?)",
    insert_grams="INSERT INTO name_grams (rowid, words) VALUES (?, ?)",
)

LISTS: Final = Statements(
    find="SELECT id FROM lists WHERE name = ?",
    insert="INSERT INTO lists (name) VALUES (?)",
)
"""There are few, so that looking through all of them is quick."""


class Distinct:
    """The rows of one such table; it lives no longer than a batch, which bounds what it holds."""

    def __init__(self, connection: sqlite3.Connection, statements: Statements) -> None:
        """Asks and inserts through ``connection``, which is in a transaction."""
        self._connection = connection
        self._statements = statements
        self._rows: dict[tuple[str, ...], int] = {}

    def row(self, *values: str) -> int:
        """The row number of ``values``, inserted if they are new."""
        known = self._rows.get(values)
        if known is None:
            known = self._rows[values] = self._find(values) or self._insert(values)
        return known

    def _find(self, values: tuple[str, ...]) -> int | None:
        found = self._connection.execute(self._statements.find, values).fetchone()
        return None if found is None else int(found[0])

    def _insert(self, values: tuple[str, ...]) -> int:
        row = self._connection.execute(self._statements.insert, values).lastrowid
        assert row is not None
        if self._statements.insert_grams is None:
            return row
        # Single spaces make a term with punctuation inside, once normalised, a plain substring.
        grams = " ".join(tokens("\n".join(values)))
        self._connection.execute(self._statements.insert_grams, (row, grams))
        return row
