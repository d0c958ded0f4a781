"""Where an account's messages stand, counted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archiver.ledger.database import Ledger


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of an account; ``ended_at`` is None where it was cut or goes on."""

    verb: str
    started_at: int
    ended_at: int | None
    exit_code: int | None
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """One account; sizes are octets, times seconds since the epoch.

    ``stages`` has a count for each stage in which there are messages. ``octets_set_aside`` is how
    many of ``octets_spooled`` belong to messages with a problem; ``oldest_unverified`` is when the
    oldest message that is neither ARCHIVED nor given up was fetched.
    """

    account: str
    store: str
    stages: Mapping[str, int]
    failed: int
    held: int
    given_up: int
    octets_archived: int
    octets_spooled: int
    octets_set_aside: int
    oldest_unverified: int | None
    distrusted: str | None
    last_run: LastRun | None


def status(ledger: Ledger) -> list[AccountStatus]:
    """Every account of the ledger, by name."""
    rows = ledger.rows(
        "SELECT a.id, a.name, s.url, a.distrusted FROM accounts a"
        " JOIN stores s ON s.id = a.store_id ORDER BY a.name"
    )
    return [_account(ledger, *row) for row in list(rows)]


def _account(
    ledger: Ledger, account: int, name: str, store: str, distrusted: str | None
) -> AccountStatus:
    stages = dict(
        ledger.rows(
            "SELECT stage, count(*) FROM messages WHERE account_id = ? GROUP BY stage", (account,)
        )
    )
    failed, held = problem_count(ledger, account)
    octets = ledger.row(
        "SELECT coalesce(sum(length) FILTER (WHERE stage <> 'spooled'), 0),"
        " coalesce(sum(length) FILTER (WHERE stage = 'spooled'), 0),"
        " coalesce(sum(length) FILTER (WHERE stage = 'spooled' AND problem <> 'none'), 0),"
        " min(fetched_at) FILTER (WHERE stage = 'spooled' AND problem <> 'given_up')"
        " FROM messages WHERE account_id = ? AND offset IS NOT NULL",
        (account,),
    )
    assert octets is not None
    return AccountStatus(
        account=name,
        store=store,
        stages=stages,
        failed=failed,
        held=held,
        given_up=given_up(ledger, account),
        octets_archived=octets[0],
        octets_spooled=octets[1],
        octets_set_aside=octets[2],
        oldest_unverified=octets[3],
        distrusted=distrusted,
        last_run=_last_run(ledger, account),
    )


def _last_run(ledger: Ledger, account: int) -> LastRun | None:
    row = ledger.row(
        "SELECT verb, started_at, ended_at, exit_code, report FROM runs WHERE account_id = ?"
        " ORDER BY id DESC LIMIT 1",
        (account,),
    )
    return (
        None if row is None else LastRun(row[0], row[1], row[2], row[3], json.loads(row[4] or "{}"))
    )


def names(ledger: Ledger) -> list[str]:
    """The ids of all accounts, each once."""
    return [row[0] for row in ledger.rows("SELECT DISTINCT name FROM accounts ORDER BY name")]


def problem_count(ledger: Ledger, account: int) -> tuple[int, int]:
    """How many of an account's messages failed, and how many are held."""
    found = _problems(ledger, account)
    return found.get("failed", 0), found.get("held", 0)


def given_up(ledger: Ledger, account: int) -> int:
    """How many of an account's messages were left on the server for good."""
    return _problems(ledger, account).get("given_up", 0)


def _problems(ledger: Ledger, account: int) -> dict[str, int]:
    return dict(
        ledger.rows(
            "SELECT problem, count(*) FROM messages WHERE account_id = ? AND problem <> 'none'"
            " GROUP BY problem",
            (account,),
        )
    )


def failing(ledger: Ledger, account: int) -> set[int]:
    """The rows of the messages whose upload failed or is held; there are few."""
    rows = ledger.rows(
        "SELECT id FROM messages WHERE account_id = ? AND problem IN ('failed', 'held')"
        " AND problem <> 'none' AND digest NOTNULL",
        (account,),
    )
    return {row[0] for row in rows}
