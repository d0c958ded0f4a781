"""Accounts, stores and runs as the ledger knows them."""

import json
import secrets
from dataclasses import dataclass
from math import ceil
from typing import Any

from archiver.ledger.database import Ledger

_NARROW_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """What the ledger remembers of an account between runs.

    ``utf8`` is None until a session has fixed it; ``distrusted`` says why its UIDLs prove nothing,
    or is None; until ``narrow_until`` commands are sent one at a time. ``last_login`` is when the
    mailbox was last signed in to, in seconds since the epoch, ``login_delay`` how many seconds the
    server wanted between two logins, and ``mechanism`` how signing in worked; None for unknown.
    ``retires`` says that QUIT was seen to hide what was retrieved.
    """

    row: int
    name: str
    store: int
    host: str
    utf8: bool | None
    distrusted: str | None
    narrow_until: int
    last_login: int | None = None
    login_delay: float | None = None
    mechanism: str | None = None
    retires: bool = False


_COLUMNS = (
    "id, name, store_id, host, utf8, distrusted, narrow_until,"
    " last_login, login_delay, mechanism, retires NOTNULL"
)


def open_account(ledger: Ledger, name: str, *, store_url: str, host: str) -> LedgerAccount:
    """The account as it is archived into this store, made on first use.

    An empty ``host`` leaves the account its server, if it has one: mail is imported into it.

    A mailbox that is archived into two stores is two accounts here: what one of them holds says
    nothing about the other.
    """
    with ledger.write() as db:
        db.execute("INSERT OR IGNORE INTO stores (url) VALUES (?)", (store_url,))
        # A server that has just seen a login does not care for which store it was.
        db.execute(
            "INSERT INTO accounts"
            " (name, host, store_id, last_login, login_delay, mechanism, retires)"
            " SELECT ?1, ?2, s.id, a.last_login, a.login_delay, a.mechanism, a.retires"
            " FROM stores s LEFT JOIN accounts a ON a.name = ?1 AND a.host = ?2 WHERE s.url = ?3"
            " ORDER BY a.last_login DESC LIMIT 1"
            " ON CONFLICT (name, store_id) DO UPDATE SET host = excluded.host,"
            " login_delay = iif(host = excluded.host, login_delay, NULL),"
            " mechanism = iif(host = excluded.host, mechanism, NULL),"
            " retires = iif(host = excluded.host, retires, NULL) WHERE excluded.host <> ''",
            (name, host, store_url),
        )
    row = ledger.value(
        "SELECT a.id FROM accounts a JOIN stores s ON s.id = a.store_id"
        " WHERE a.name = ? AND s.url = ?",
        (name, store_url),
    )
    return account(ledger, int(row))


def accounts_of(ledger: Ledger, store_url: str) -> list[LedgerAccount]:
    """The accounts that are archived into this store, by name."""
    rows = ledger.rows(
        "SELECT a.id FROM accounts a JOIN stores s ON s.id = a.store_id WHERE s.url = ?"
        " ORDER BY a.name",
        (store_url,),
    )
    return [account(ledger, row[0]) for row in rows]


def without_server(ledger: Ledger, store: int) -> list[LedgerAccount]:
    """The accounts of a store whose mail was all imported."""
    rows = ledger.rows(
        "SELECT id FROM accounts WHERE store_id = ? AND host = '' ORDER BY name", (store,)
    )
    return [account(ledger, row[0]) for row in list(rows)]


def stores(ledger: Ledger) -> list[str]:
    """The URLs of all stores that something is archived into."""
    rows = ledger.rows(
        "SELECT DISTINCT s.url FROM accounts a JOIN stores s ON s.id = a.store_id ORDER BY s.url"
    )
    return [row[0] for row in rows]


def other_stores(ledger: Ledger, account: LedgerAccount) -> list[str]:
    """The other stores into which a mailbox of this name is archived."""
    rows = ledger.rows(
        "SELECT s.url FROM accounts a JOIN stores s ON s.id = a.store_id"
        " WHERE a.name = ? AND a.id <> ? ORDER BY s.url",
        (account.name, account.row),
    )
    return [row[0] for row in rows]


def account(ledger: Ledger, row: int) -> LedgerAccount:
    """The account of this row, as the ledger knows it now."""
    found = ledger.row(f"SELECT {_COLUMNS} FROM accounts WHERE id = ?", (row,))
    assert found is not None, f"account {row} is not in the ledger"
    number, name, store, host, utf8, distrusted, narrow_until, *login, retires = found
    last_login, login_delay, mechanism = login
    return LedgerAccount(
        row=number,
        name=name,
        store=store,
        host=host,
        utf8=None if utf8 is None else bool(utf8),
        distrusted=distrusted,
        narrow_until=narrow_until or 0,
        last_login=last_login,
        login_delay=login_delay,
        mechanism=mechanism,
        retires=bool(retires),
    )


def owner_of(ledger: Ledger, batch: str) -> LedgerAccount:
    """The account that a batch belongs to."""
    return account(
        ledger, int(ledger.value("SELECT account_id FROM batches WHERE name = ?", (batch,)))
    )


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


def note_login(
    ledger: Ledger, account: LedgerAccount, *, now: float, delay: float | None, mechanism: str
) -> None:
    """Remembers a login, for every store into which the mailbox is archived.

    Args:
        ledger: the ledger.
        account: whose mailbox it was.
        now: when it was granted, in seconds since the epoch.
        delay: seconds that the server wants between two logins, None if it asks for none.
        mechanism: how it worked.
    """
    with ledger.write() as db:
        # Rounded up, since a login that comes too early may be held against us.
        db.execute(
            "UPDATE accounts SET last_login = ?, login_delay = ?, mechanism = ?"
            " WHERE name = ? AND host = ?",
            (ceil(now), delay, mechanism, account.name, account.host),
        )


def forget_mechanism(ledger: Ledger, account: LedgerAccount) -> None:
    """Forgets how signing in worked, since it no longer does."""
    with ledger.write() as db:
        db.execute(
            "UPDATE accounts SET mechanism = NULL WHERE name = ? AND host = ?",
            (account.name, account.host),
        )


def note_retiring(ledger: Ledger, account: LedgerAccount) -> None:
    """Remembers that QUIT hides what was retrieved, for every store of the mailbox."""
    with ledger.write() as db:
        db.execute(
            "UPDATE accounts SET retires = 1 WHERE name = ? AND host = ?",
            (account.name, account.host),
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
    """This state directory's writer id, made at random on first use; the same for all who ask."""
    return _id(ledger, "writer")


def holder(ledger: Ledger) -> str:
    """Who this state directory is where leases are held; it outlives a new writer id.

    A run that was killed when it had just begun a new chain would wait for its own lease.
    """
    return _id(ledger, "holder")


def renew_writer(ledger: Ledger) -> str:
    """A new writer id: the chains of the old one are left as they are."""
    return _make_id(ledger, "writer", "INSERT OR REPLACE")


def _id(ledger: Ledger, name: str) -> str:
    found = ledger.value("SELECT value FROM meta WHERE key = ?", (name,))
    if found is None:
        _make_id(ledger, name, "INSERT OR IGNORE")
        found = ledger.value("SELECT value FROM meta WHERE key = ?", (name,))
    return str(found)


def _make_id(ledger: Ledger, name: str, insert: str) -> str:
    fresh = secrets.token_hex(8)
    with ledger.write() as db:
        db.execute(f"{insert} INTO meta (key, value) VALUES (?, ?)", (name, fresh))
    return fresh


def has_run(ledger: Ledger, account: LedgerAccount) -> bool:
    """Whether any run of this account began before."""
    return bool(
        ledger.value("SELECT EXISTS (SELECT 1 FROM runs WHERE account_id = ?)", (account.row,))
    )


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
