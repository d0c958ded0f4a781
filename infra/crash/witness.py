"""The archive as somebody sees it who has the directory and not the program.

Nothing of ``archiver`` is imported here: an error in how it reads its own store would hide itself.
"""

import gzip
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_OWN = ".archiver-"


@dataclass(slots=True)
class View:
    """What a store holds.

    Args:
        objects: the SHA-256 of every file, by its path.
        records: every record of every manifest, chain after chain.
        unnamed: the paths of parts that no manifest names, wherever they lie.
        faults: what is wrong with all that, in words.
    """

    objects: dict[str, str] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def raw(self) -> Counter[str]:
        """How many copies of each message there are."""
        names = (key.rpartition("/")[2] for key in self.objects if key.endswith(".eml"))
        return Counter(name.removesuffix(".eml") for name in names)

    def archived(self) -> Counter[str]:
        """How often each message is named as archived."""
        return Counter(each["digest"] for each in self.records if each["kind"] == "archived")


def sha256(octets: bytes) -> str:
    """The digest in hex."""
    return hashlib.sha256(octets).hexdigest()


def files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a store, by its path."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.name.startswith(_OWN):
            yield str(path.relative_to(directory)), path


def look(store: Path) -> View:
    """Looks at everything that a store holds."""
    view = View()
    for key, path in files(store):
        octets = path.read_bytes()
        view.objects[key] = sha256(octets)
        if key.startswith("mail/") and path.stem != view.objects[key]:
            view.faults.append(f"{key} holds other octets than those it is named by")
    for chain in sorted((store / "manifests").glob("*/*")):
        _follow(view, store, chain)
    _check_names(view, store)
    return view


def _follow(view: View, store: Path, chain: Path) -> None:
    previous = None
    links = sorted(chain.glob("*[0-9].jsonl.gz"))
    for number, link in enumerate(links, start=1):
        key = str(link.relative_to(store))
        try:
            head, *records = map(json.loads, gzip.decompress(link.read_bytes()).splitlines())
        except (OSError, EOFError, ValueError) as error:
            view.faults.append(f"{key} cannot be read: {error}")
            return
        if link.name != f"{number:012d}.jsonl.gz" or head["sequence"] != number:
            view.faults.append(f"{key} is not the next link, which is {number}")
        if head["previous"] != previous:
            view.faults.append(f"{key} does not follow the link before it")
        if head["account"].replace("%40", "@") != chain.parent.name:
            view.faults.append(f"{key} speaks of {head['account']}")
        previous = view.objects[key]
        view.records += records


def _check_names(view: View, store: Path) -> None:
    """Every object is named by a manifest, and whatever is named is there."""
    named: set[str] = set()
    for record in view.records:
        parts = record.get("parts", ())
        places = [(record["digest"], record["raw"])] if "raw" in record else []
        places += [(part["digest"], part["locator"]) for part in parts]
        for digest, locator in places:
            named.add(locator["key"])
            if view.objects.get(locator["key"]) != digest:
                view.faults.append(f"a manifest names {locator['key']}, which is not there")
            elif (store / locator["key"]).stat().st_size != locator["length"]:
                view.faults.append(f"a manifest gives {locator['key']} a wrong length")
    mail = {key for key in view.objects if key.startswith("mail/")}
    # Of a part that a killed run had put and not recorded another batch may put its own copy.
    copied = {view.objects[key] for key in mail & named}
    for key in sorted(mail - named):
        if "/parts/" not in key:
            view.faults.append(f"no manifest names {key}")
        elif view.objects[key] not in copied:
            view.unnamed.append(key)
    for digest, copies in view.raw().items():
        if copies > 1:
            view.faults.append(f"message {digest} is there {copies} times")


@dataclass(frozen=True, slots=True)
class Row:
    """What a ledger says of a message."""

    uidl: str | None
    digest: str | None
    stage: str
    problem: str


def rows(ledger: Path) -> list[Row]:
    """What a ledger says of every message."""
    return [
        Row(uidl, None if digest is None else digest.hex(), stage, problem)
        for uidl, digest, stage, problem in _query(
            ledger, "SELECT uidl, digest, stage, problem FROM messages ORDER BY id"
        )
    ]


def contents(ledger: Path) -> dict[str, list[Any]]:
    """All that a ledger says of mail, as far as an idle run must not change it."""
    tables = ("messages", "batches", "copies", "parts", "manifests")
    return {table: _query(ledger, f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4") for table in tables}  # noqa: S608 - our own words


def indexed(index: Path) -> set[str]:
    """The digests of the messages that an index holds."""
    if not index.exists():
        return set()
    return {digest.hex() for (digest,) in _query(index, "SELECT digest FROM messages")}


def _query(database: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
