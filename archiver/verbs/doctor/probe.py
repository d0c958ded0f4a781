"""Whether a store takes, gives back, lists and removes objects: tried with one below ``state/``.

Whatever fails, the object is removed again, with its version where the store keeps versions.
"""

import secrets
from dataclasses import asdict
from time import monotonic

from archiver.errors import ArchiverError, IntegrityError, StoreError
from archiver.format import FORMAT_KEY, STATE_PREFIX, check_format
from archiver.store import ObjectMissing, Stat, Store
from archiver.verbs.doctor.findings import Chart

_OCTETS = b"archiver doctor was here, and removes this again.\n"


def try_store(chart: Chart, store: Store) -> None:
    """Writes, reads, lists and removes an object, and probes for the proofs of arrival."""
    key = f"{STATE_PREFIX}doctor-{secrets.token_hex(8)}"
    began = monotonic()
    try:
        written = store.replace(key, _OCTETS)
    except ArchiverError as error:
        chart.know(writes=False)
        chart.problem("write", error)
        return
    seconds = monotonic() - began
    chart.know(writes=True, write_seconds=round(seconds, 6))
    chart.ok("write", f"an object is there for good after {seconds * 1000:.0f} ms")
    try:
        with chart.step("read"):
            _read(chart, store, key)
        with chart.step("list"):
            _list(chart, store, key)
    finally:
        removed = _remove(chart, store, written)
    # A probe of a store that removes nothing would leave one more object there.
    if removed:
        with chart.step("proofs"):
            _proofs(chart, store)


def see_format(chart: Chart, store: Store) -> None:
    """Whether an archive lies there already, of a format that this version knows."""
    try:
        document = b"".join(store.read(FORMAT_KEY))
    except ObjectMissing:
        chart.know(format=False)
        chart.ok("format", "no archive is there yet; the first run begins one")
        return
    except StoreError as error:
        chart.problem("format", error)
        return
    with chart.step("format"):
        check_format(document)
        chart.know(format=True)
        chart.ok("format", "an archive of a format that this version knows is there")


def _read(chart: Chart, store: Store, key: str) -> None:
    octets = b"".join(store.read(key))
    chart.know(reads=octets == _OCTETS)
    if octets != _OCTETS:
        raise IntegrityError(
            f"{store.url} gave other octets back than it was given",
            hint="do not archive there: look at its disks, and at what stands between",
        )
    chart.ok("read", "what was written is read back")


def _list(chart: Chart, store: Store, key: str) -> None:
    found = any(one.key == key for one in store.list(key))
    chart.know(lists=found)
    if not found:
        raise StoreError(
            f"{store.url} does not list what was just written",
            hint="archiver proves arrival by listing: use a store that lists at once",
        )
    chart.ok("list", "what was written is listed at once")


def _remove(chart: Chart, store: Store, written: Stat) -> bool:
    try:
        whole = store.withdraw(written)
    except StoreError as error:
        chart.know(removes=False)
        chart.problem(
            "remove",
            StoreError(
                f"{error.message}; it stays there",
                hint=f"{error.hint or 'grant it'}; archiver removes nothing outside {STATE_PREFIX}",
            ),
        )
        return False
    chart.know(removes=True)
    if whole:
        chart.ok("remove", f"what was written below {STATE_PREFIX} is removed again")
    else:
        chart.note("remove", "its name is removed, and the lock keeps its octets for a while")
    return True


def _proofs(chart: Chart, store: Store) -> None:
    found = store.probe()
    chart.know(**asdict(found))
    if found.md5_etag:
        chart.ok("proofs", "a listing proves arrival (its ETags are MD5)")
    elif found.checksum:
        chart.ok("proofs", "a checksum for each object proves arrival (SHA-256)")
    else:
        chart.ok("proofs", "each object is read back to prove its arrival")
    if found.conditional:
        chart.ok("overwriting", "refuses to overwrite when asked to")
    else:
        chart.note(
            "overwriting",
            "overwrites though asked not to (If-None-Match is not heeded)",
            "archiver asks first whether an object is there; let nothing else write there",
        )
    if found.exchange:
        chart.ok("machines", "of several that archive an account, one does at a time")
    else:
        chart.ok("machines", "several may archive an account side by side: leases are not guarded")
