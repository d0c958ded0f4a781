"""How much there is of what a query asks for: by sender, domain, month, type and size."""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archiver.index.asking import ask
from archiver.index.people import Role
from archiver.query import Query


class By(StrEnum):
    """What messages are counted by.

    ``SENDER``: the addresses in From. ``DOMAIN``: what stands behind the @ in them. ``MONTH``: of
    the date, in UTC. ``TYPE``: the media types of attachments, whose octets are then those of the
    attachments. ``SIZE``: classes of size.
    """

    SENDER = "sender"
    DOMAIN = "domain"
    MONTH = "month"
    TYPE = "type"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Total:
    """Messages that have something in common; ``key`` is empty where they lack it."""

    key: str
    messages: int
    octets: int


_AUTHORS: Final = (
    "found LEFT JOIN message_addresses m ON m.message = found.id AND m.role = ?"
    " LEFT JOIN addresses a ON a.id = m.address"
)
_DOMAIN: Final = "iif(instr(a.address, '@'), substr(a.address, instr(a.address, '@') + 1), '')"
_SIZES: Final = (
    (10 << 10, "up to 10 KiB"),
    (100 << 10, "up to 100 KiB"),
    (1 << 20, "up to 1 MiB"),
    (10 << 20, "up to 10 MiB"),
    (100 << 20, "up to 100 MiB"),
)
_LARGEST: Final = "more than 100 MiB"
_CLASS: Final = (
    "CASE " + " ".join(f"WHEN size <= {most} THEN '{name}'" for most, name in _SIZES)
) + f" ELSE '{_LARGEST}' END"

_KEYS: Final = {
    By.SENDER: ("lower(coalesce(a.address, ''))", _AUTHORS, "found.size"),
    By.DOMAIN: (f"lower(coalesce({_DOMAIN}, ''))", _AUTHORS, "found.size"),
    By.MONTH: ("coalesce(strftime('%Y-%m', date, 'unixepoch'), '')", "found", "found.size"),
    By.TYPE: (
        "lower(p.type)",
        "found JOIN parts p ON p.message = found.id GROUP BY 1, 2",
        "sum(p.size)",
    ),
    By.SIZE: (_CLASS, "found", "found.size"),
}
_ORDERS: Final = {By.SIZE: "min(octets)"}


def total(connection: sqlite3.Connection, query: Query) -> Total:
    """How much a query asks for, all in all; octets are those of the raw messages."""
    asked = ask(connection, query)
    row = connection.execute(
        f"SELECT count(*), coalesce(sum(size), 0) {asked.rows}", asked.values
    ).fetchone()
    return Total("", *row)


def totals(connection: sqlite3.Connection, query: Query, by: By, limit: int) -> list[Total]:
    """How much a query asks for by something, the most first; months and sizes in their order.

    Args:
        connection: the index.
        query: what is asked for.
        by: what it is counted by.
        limit: at most so many rows; of months, the newest.
    """
    asked = ask(connection, query)
    key, tables, octets = _KEYS[by]
    # Two authors of one domain are one message of it.
    sql = (
        f"WITH found AS MATERIALIZED (SELECT id, date, size {asked.rows})"
        f" SELECT key, count(*), sum(octets) FROM (SELECT DISTINCT {key} AS key, found.id,"
        f" {octets} AS octets FROM {tables}) GROUP BY 1"
    )
    values = (*asked.values, *((Role.FROM,) if tables is _AUTHORS else ()))
    if by is By.MONTH:
        sql = f"SELECT * FROM ({sql} ORDER BY 1 DESC LIMIT ?) ORDER BY 1"
    else:
        sql = f"{sql} ORDER BY {_ORDERS.get(by, '2 DESC, 1')} LIMIT ?"
    return [Total(*row) for row in connection.execute(sql, (*values, limit))]
