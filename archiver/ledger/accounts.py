"""Accounts, stores and runs as the ledger knows them."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from archiver.errors import UsageError
from archiver.ledger.database import Ledger

_NARROW_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """What the ledger remembers of an account between runs.

    ``utf8`` is None until a session has fixed it; ``distrusted`` says why its UIDLs prove nothing,
    or is None; until ``narrow_until`` commands are sent one at a time.
    """

    row: int
    name: str
    store: int
    host: str
    utf8: bool | None
    distrusted: str | None
    narrow_until: int


def open_account(ledger: Ledger, name: str, *, store_url: str, host: str) -> LedgerAccount:
    """The account, made on first use.

    Raises:
        UsageError: this account is archived into another store.
    """
    found = ledger.row(
        "SELECT s.url, a.host FROM accounts a JOIN stores s ON s.id = a.store_id WHERE a.name = ?",
        (name,),
    )
    if found is None:
        with ledger.write() as db:
            db.execute("INSERT OR IGNORE INTO stores (url) VALUES (?)", (store_url,))
            db.execute(
                "INSERT OR IGNORE INTO accounts (name, host, store_id)"
                " SELECT ?, ?, id FROM stores WHERE url = ?",
                (name, host, store_url),
            )
    elif found[0] != store_url:
        raise UsageError(
            f"account {name} is archived into {found[0]}, not into {store_url}",
            hint="name that store again, or use another --state for a second archive",
        )
    elif found[1] != host:
        with ledger.write() as db:
            db.execute("UPDATE accounts SET host = ? WHERE name = ?", (host, name))
    return account(ledger, name)


def account(ledger: Ledger, name: str) -> LedgerAccount:
    """An account that is known to exist."""
    row = ledger.row(
        "SELECT id, name, store_id, host, utf8, distrusted, narrow_until FROM accounts"
        " WHERE name = ?",
        (name,),
    )
    if row is None:
        raise UsageError(f"account {name} has never been archived from this state directory")
    utf8 = None if row[4] is None else bool(row[4])
    return LedgerAccount(row[0], row[1], row[2], row[3], utf8, row[5], row[6] or 0)


def fix_utf8(ledger: Ledger, account: LedgerAccount, utf8: bool) -> None:
    """Fixes UTF8 mode, which changes octets (RFC 6856), for all later sessions."""
    with ledger.write() as db:
        db.execute("UPDATE accounts SET utf8 = ? WHERE id = ?", (utf8, account.row))


def distrust(ledger: Ledger, account: LedgerAccount, reason: str) -> None:
    """Remembers that this server's UIDLs identify nothing; the first reason stays."""
    with ledger.write() as db:
        db.execute(
            "UPDATE accounts SET distrusted = coalesce(distrusted, ?) WHERE id = ?",
            (reason, account.row),
        )


def narrow(ledger: Ledger, account: LedgerAccount, now: float) -> None:
    """Sets the pipelining window to one for 30 days."""
    with ledger.write() as db:
        db.execute(
            "UPDATE accounts SET narrow_until = ? WHERE id = ?",
            (int(now) + _NARROW_SECONDS, account.row),
        )


def capabilities(ledger: Ledger, store: int) -> dict[str, bool] | None:
    """What a store was found to give, or None before it was ever probed."""
    found = ledger.value("SELECT capabilities FROM stores WHERE id = ?", (store,))
    return None if found is None else dict(json.loads(found))


def remember_capabilities(ledger: Ledger, store: int, found: dict[str, bool]) -> None:
    """Keeps what a probe of a store found out."""
    with ledger.write() as db:
        db.execute("UPDATE stores SET capabilities = ? WHERE id = ?", (json.dumps(found), store))


def writer(ledger: Ledger) -> str:
    """This state directory's writer id, made at random on first use."""
    found = ledger.value("SELECT value FROM meta WHERE key = 'writer'")
    return renew_writer(ledger) if found is None else str(found)


def renew_writer(ledger: Ledger) -> str:
    """A new writer id: the chains of the old one are left as they are."""
    fresh = secrets.token_hex(8)
    with ledger.write() as db:
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('writer', ?)", (fresh,))
    return fresh


def begin_run(ledger: Ledger, account: LedgerAccount, verb: str, now: float) -> int:
    """Notes that a run of ``verb`` began; the id is for ``end_run``."""
    with ledger.write() as db:
        made = db.execute(
            "INSERT INTO runs (account_id, verb, started_at) VALUES (?, ?, ?)",
            (account.row, verb, int(now)),
        )
        return int(made.lastrowid or 0)


def end_run(
    ledger: Ledger, run: int, *, now: float, exit_code: int, report: dict[str, Any]
) -> None:
    """Notes how a run ended, with what it printed."""
    with ledger.write() as db:
        db.execute(
            "UPDATE runs SET ended_at = ?, exit_code = ?, report = ? WHERE id = ?",
            (int(now), exit_code, json.dumps(report), run),
        )
