"""Objects as a listing shows them, held against what manifests name: pure functions.

Both come in the order of their keys, so they are read side by side, and nothing is held but what
lies under one key. A listing shows that an object is missing, of another size, or written over;
other octets of the same size it shows only where ETags are MD5. Where it leaves a doubt, the octets
are to decide.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from archiver.format import time_text
from archiver.ledger.naming import Named
from archiver.store import Version
from archiver.verbs.audit.findings import Trouble

_MD5 = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a listing shows of a named object.

    Attributes:
        trouble: what is wrong, None where nothing is to be seen.
        what: the same in words.
        in_doubt: whether its octets have to be read to know.
        sound: the version that seems to hold what was archived, where that is not the newest.
    """

    trouble: Trouble | None = None
    what: str = ""
    in_doubt: bool = False
    sound: str | None = None


Pair = tuple[Named | None, Sequence[Version]]
"""What is named under a key, and what is stored there, the newest version first."""


def side_by_side(named: Iterable[Named], stored: Iterable[Version]) -> Iterator[Pair]:
    """Joins both by their keys; both come in the order of their keys' octets."""
    names = iter(named)
    name = next(names, None)
    for key, group in groupby(stored, lambda version: version.key):
        place = _order(key)
        while name is not None and _order(name.locator.key) < place:
            yield name, ()
            name = next(names, None)
        if name is not None and name.locator.key == key:
            yield name, tuple(group)
            name = next(names, None)
        else:
            yield None, tuple(group)
    while name is not None:
        yield name, ()
        name = next(names, None)


def _order(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def judge(named: Named, versions: Sequence[Version]) -> Verdict:
    """What a listing says of a named object, whose versions come newest first."""
    locator = named.locator
    newest = versions[0] if versions else None
    sound = _sound(named, versions[1:])
    if newest is None:
        return Verdict(Trouble.MISSING, "is not there")
    if newest.is_delete_marker:
        when = "" if newest.modified is None else f" at {time_text(newest.modified)}"
        if sound is None:
            return Verdict(Trouble.MISSING, f"was deleted{when}")
        return Verdict(Trouble.HIDDEN, f"was deleted{when}; {_still(sound)}", sound=sound)
    if newest.size != locator.length:
        what = f"has {newest.size:,} octets in place of {locator.length:,}"
        if sound is not None:
            return Verdict(Trouble.REPLACED, f"{what}; {_still(sound)}", sound=sound)
        return Verdict(Trouble.SIZE, what)
    if is_md5(locator.etag) and is_md5(newest.etag):
        return Verdict(in_doubt=locator.etag != newest.etag, sound=sound)
    overwritten = len(versions) > 1 and newest.version_id != locator.version_id
    return Verdict(in_doubt=overwritten, sound=sound)


def verdict_on(named: Named, verdict: Verdict, length: int, digest: str) -> Verdict:
    """What the octets say of an object that was read.

    Args:
        named: the object.
        verdict: what the listing said.
        length: how many octets it gave.
        digest: their SHA-256.
    """
    if digest == named.digest:
        return Verdict()
    what = f"holds other octets, of SHA-256 {digest}"
    if length != named.locator.length:
        what = f"gives {length:,} octets in place of {named.locator.length:,}"
    if verdict.sound is not None:
        what = f"{what}; {_still(verdict.sound)}"
        return Verdict(Trouble.REPLACED, what, sound=verdict.sound)
    trouble = Trouble.OCTETS if length == named.locator.length else Trouble.SIZE
    return Verdict(trouble, what)


def is_md5(etag: str | None) -> bool:
    """Whether an ETag has the form of an MD5; it may be none all the same."""
    return etag is not None and _MD5.fullmatch(etag) is not None


def _sound(named: Named, older: Sequence[Version]) -> str | None:
    """The version that is the recorded one by its id or by its ETag, if there is one."""
    locator = named.locator
    same = [
        version
        for version in older
        if not version.is_delete_marker and version.size == locator.length
    ]
    for version in same:
        if locator.version_id is not None and version.version_id == locator.version_id:
            return version.version_id
    for version in reversed(same):
        if is_md5(locator.etag) and version.etag == locator.etag:
            return version.version_id
    # Without either the first that was written is the one that could not have been overwritten.
    return same[-1].version_id if same and not is_md5(locator.etag) else None


def _still(version: str) -> str:
    return f"version {version} still holds what was archived"
