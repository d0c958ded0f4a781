"""A lease: of several machines with one account and one archive, which of them archives just now.

It saves double work and nothing else. Two that archive at the same time do no harm: every batch has
a prefix of its own, and every writer a chain of its own. So a lease runs out by itself, clocks need
not agree to the minute, and a store that cannot guard an exchange has none.

It lies at ``state/lease/<account>.json``; whoever finds nothing there, or a lease that ran out, or
one of its own (from a run that was killed), puts its own in its place.
"""

import json
from dataclasses import dataclass

from archiver.errors import AlreadyRunning, StoreError
from archiver.format import lease_key, time_text
from archiver.format.values import count_in, text_in, time_in
from archiver.store import ObjectMissing, Store

LIFE_SECONDS = 600.0
"""How long a lease holds unless it is taken anew."""

_CLOCKS_APART = 900.0
"""How far clocks may differ, as S3 has it; a lease that runs longer than that is not believed."""

_ATTEMPTS = 5
_LONGEST = 4096  # octets of a lease that is worth reading


@dataclass(frozen=True, slots=True)
class Lease:
    """What a machine says of itself; times are seconds since the epoch.

    ``holder`` is the state directory's id, ``host`` and ``pid`` tell a person where it runs.
    """

    holder: str
    host: str
    pid: int
    since: float
    until: float


def take(store: Store, account: str, lease: Lease, now: float) -> None:
    """Takes a lease, or takes it anew; does nothing where the store does not guard exchanges.

    Raises:
        AlreadyRunning: another machine has it.
        StoreError: the store refuses or cannot be reached.
    """
    if store.capabilities is None or not store.capabilities.exchange:
        return
    key = lease_key(account)
    for _ in range(_ATTEMPTS):
        etag, found = _look(store, key)
        if found is not None and not _is_free(found, lease.holder, now):
            raise AlreadyRunning(
                f"account {account} is in use by archiver on {found.host}, process {found.pid},"
                f" since {time_text(found.since)}; its lease in the store runs until"
                f" {time_text(found.until)}",
                hint="wait until it has ended, then run again: what was fetched is in the spool",
            )
        if store.exchange(key, _octets(lease), expected=etag) is not None:
            return
    raise StoreError(
        f"{store.url}/{key} changes each time it is looked at",
        hint="see who else archives this account",
    )


def give_up(store: Store, account: str, lease: Lease) -> None:
    """Takes a lease away if it is still the same holder's.

    Raises:
        StoreError: the store refuses or cannot be reached.
    """
    if store.capabilities is None or not store.capabilities.exchange:
        return
    key = lease_key(account)
    _, found = _look(store, key)
    # As long as it has not run out nobody else puts another in its place meanwhile.
    if found is not None and found.holder == lease.holder:
        store.remove(key)


def _is_free(found: Lease, holder: str, now: float) -> bool:
    runs = now < found.until <= now + LIFE_SECONDS + _CLOCKS_APART
    return found.holder == holder or not runs


def _look(store: Store, key: str) -> tuple[str | None, Lease | None]:
    """The ETag of what lies there, and the lease that it holds, if it holds any.

    Octets that came after the ETag are of no harm, since an exchange no longer expects them.
    """
    stat = store.head(key)
    if stat is None:
        return None, None
    try:
        octets = b"".join(store.read(key, length=_LONGEST))
    except ObjectMissing:
        return stat.etag, None
    return stat.etag, _lease(octets)


def _octets(lease: Lease) -> bytes:
    told = {
        "holder": lease.holder,
        "host": lease.host,
        "pid": lease.pid,
        "since": time_text(lease.since),
        "until": time_text(lease.until),
    }
    return json.dumps(told, indent=2).encode() + b"\n"


def _lease(octets: bytes) -> Lease | None:
    try:
        told = json.loads(octets)
        since, until = time_in(told, "since"), time_in(told, "until")
        if since is None or until is None:
            return None
        # Anybody may have written it, and a person is going to read it.
        host = "".join(each if each.isprintable() else "?" for each in text_in(told, "host")[:80])
        return Lease(text_in(told, "holder"), host, count_in(told, "pid"), since, until)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
