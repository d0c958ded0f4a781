"""Merging what many batches left behind, so that the index is small and a search reads little.

The full-text tables keep a piece for each batch and merge a few now and then; all of them in one
take a tenth less room. It is done when the index has grown by a quarter, in steps of a few hundred
pages, so that a run can end in between, and what is unused then is given back to the disk.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

_TABLES: Final = ("words", "address_grams", "name_grams")
_GROWN_BY: Final = 4
_PAGES: Final = 400
_FREED_AT_ONCE: Final = 2_000
# A merge that found nothing to do changes fewer rows than this (SQLite's FTS5, section 6.8).
_DONE: Final = 2


def is_due(connection: sqlite3.Connection) -> bool:
    """Whether the index has grown by a quarter since it was merged."""
    (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
    (merged,) = connection.execute("PRAGMA user_version").fetchone()
    return int(count) - int(merged) > int(count) // _GROWN_BY


def tidy(connection: sqlite3.Connection, stopping: Callable[[], bool]) -> None:
    """Merges, step by step, until all is done or the run is to end."""
    for table in _TABLES:
        pages = -_PAGES
        while not stopping() and _merge(connection, table, pages):
            pages = _PAGES
    while not stopping() and _free(connection):
        pass
    if not stopping():
        (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
        connection.execute(f"PRAGMA user_version = {int(count)}")


def _merge(connection: sqlite3.Connection, table: str, pages: int) -> bool:
    before = connection.total_changes
    with connection:
        connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before >= _DONE


def _free(connection: sqlite3.Connection) -> bool:
    connection.execute(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE})").fetchall()
    return bool(connection.execute("PRAGMA freelist_count").fetchone()[0])
