"""Measures the index: its size beside those of notmuch and mu, and how long searches take.

The size is that of real or made mail; the searches go over made messages, as many as asked for,
with words as frequent as in language, and no order in their dates.
"""

import hashlib
import io
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from archiver.index import Index, Location, Sort, prepare
from archiver.mail import read_mail
from archiver.model import Address, Mail
from archiver.query import parse
from infra.bench.mailbox import make_messages, read_corpus

_AT_ONCE = 100
_ROUNDS = 7
_BEGIN, _SECONDS = 1_100_000_000, 600_000_000
_SEARCHES = (
    ("two words, 3 %", "alpha17 beta17", Sort.DATE),
    ("phrase", '"alpha17 beta17"', Sort.DATE),
    ("one word, 17 %", "alpha17", Sort.DATE),
    ("word in a month", "alpha17 on:2015-03", Sort.DATE),
    ("listing of a month", "on:2015-03", Sort.DATE),
    ("listing from a day on", "after:2015-03-01", Sort.DATE),
    ("everything", "", Sort.DATE),
    ("by sender", "from:example", Sort.DATE),
    ("two words, by relevance", "alpha17 beta17", Sort.RELEVANCE),
)


def main() -> int:
    """Measures what the command line asks for; returns its exit code."""
    options = _options()
    with TemporaryDirectory(prefix="bench-search-") as directory:
        figures = [*_sizes(options, Path(directory)), *_searches(options, Path(directory))]
    for one in figures:
        line = json.dumps(one) if options.json else "  ".join(f"{k} {v}" for k, v in one.items())
        sys.stdout.write(line + "\n")
    return 0


def _options() -> Namespace:
    parser = ArgumentParser(prog="scripts/bench-search", description=__doc__)
    parser.add_argument("--messages", type=int, help="for the size (2000, or all of the corpus)")
    parser.add_argument("--corpus", type=Path, help="a directory of .eml files for the size")
    parser.add_argument("--searched", type=int, default=100_000, help="how many are searched")
    parser.add_argument("--index", type=Path, help="where to keep that index, to use it again")
    parser.add_argument("--json", action="store_true", help="one object a line")
    return parser.parse_args()


def _sizes(options: Namespace, directory: Path) -> Iterator[dict[str, Any]]:
    source = (
        read_corpus(options.corpus, options.messages)
        if options.corpus
        else make_messages(options.messages or 2000, "small", 1)
    )
    maildir = directory / "mail"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    began, text, count = time.perf_counter(), 0, 0
    index = Index.open(directory / "size.db")
    batch = []
    for count, octets in enumerate(source, start=1):
        (maildir / "cur" / f"{count}.bench:2,S").write_bytes(octets.replace(b"\r\n", b"\n"))
        digest = hashlib.sha256(octets).hexdigest()
        mail = read_mail(io.BytesIO(octets), digest=digest, header_digest=digest, size=len(octets))
        entry = prepare(mail)
        text += len(entry.text)
        batch.append((entry, _place(digest, count, len(octets))))
        if len(batch) == _AT_ONCE:
            index.add(batch)
            batch.clear()
    index.add(batch)
    index.tidy()
    index.close()
    size = (directory / "size.db").stat().st_size
    yield _size("archiver", count, size, text, time.perf_counter() - began)
    for name, commands, place in _peers(directory, maildir):
        if shutil.which(name) is None:
            continue
        began = time.perf_counter()
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, env=_home(directory))
        files = (file for file in place.rglob("*") if file.is_file())
        size = sum(file.stat().st_size for file in files)
        yield _size(name, count, size, text, time.perf_counter() - began)


def _size(name: str, count: int, size: int, text: int, seconds: float) -> dict[str, Any]:
    return {
        "index": name,
        "messages": count,
        "bytes": size,
        "of_text": round(size / text, 3),
        "seconds": round(seconds, 2),
    }


def _home(directory: Path) -> dict[str, str]:
    config = directory / ".notmuch-config"
    config.write_text(
        f"[database]\npath={directory}/mail\n[user]\nname=x\nprimary_email=a@example.com\n"
    )
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C.UTF-8"}


def _peers(directory: Path, maildir: Path) -> Iterator[tuple[str, list[list[str]], Path]]:
    home = f"--muhome={directory}/mu"
    yield (
        "notmuch",
        [["notmuch", "new", "--quiet"], ["notmuch", "compact", "--quiet"]],
        maildir / ".notmuch",
    )
    yield (
        "mu",
        [["mu", "init", home, f"--maildir={maildir}"], ["mu", "index", home]],
        directory / "mu",
    )


def _searches(options: Namespace, directory: Path) -> Iterator[dict[str, Any]]:
    path = options.index or directory / "searched.db"
    if not path.exists():
        _fill(path, options.searched)
    index = Index.open(path, read_only=True)
    for name, typed, sort in _SEARCHES:
        query = parse(typed, now=0.0)
        times = []
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            index.search(query, sort=sort)
            times.append(1000 * (time.perf_counter() - began))
        warm = times[1:]
        yield {
            "search": name,
            "messages": index.count(),
            "found": index.count(query),
            "ms": round(statistics.median(warm), 1),
            "from": round(min(warm), 1),
            "to": round(max(warm), 1),
        }
    index.close()


def _fill(path: Path, count: int) -> None:
    index = Index.open(path)
    batch: list[Any] = []
    for number, mail in enumerate(_made(count)):
        batch.append((prepare(mail), _place(mail.digest, number, mail.size)))
        if len(batch) == 5 * _AT_ONCE:
            index.add(batch)
            batch.clear()
    index.add(batch)
    index.tidy()
    index.close()


def _made(count: int) -> Iterable[Mail]:
    luck = random.Random(1)  # noqa: S311  (mail to measure with is no secret)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(luck.choices(letters, k=luck.randrange(2, 10))) for _ in range(60_000)]
    weights = list(accumulate(1 / (rank + 8) for rank in range(len(words))))
    people = [
        Address(f"{words[n]} {words[n + 1]}".title(), f"{words[n]}@{words[n % 200]}.example")
        for n in range(15_000)
    ]
    for number in range(count):
        text = luck.choices(words, cum_weights=weights, k=luck.randrange(40, 160))
        text += [word for word in ("alpha17", "beta17") if luck.random() < 0.17]
        digest = hashlib.sha256(b"%d" % number).hexdigest()
        answered = number - luck.randrange(1, 5)
        yield Mail(
            digest=digest,
            header_digest=digest,
            size=luck.randrange(800, 9_000),
            message_id=f"{number}@example",
            references=(f"{answered}@example",) if luck.random() < 0.4 else (),
            date=_BEGIN + luck.randrange(_SECONDS),
            authors=(people[min(int(luck.paretovariate(0.6)), len(people) - 1)],),
            to=(people[luck.randrange(200)],),
            subject=" ".join(text[: luck.randrange(1, 7)]),
            text=" ".join(text),
        )


def _place(digest: str, number: int, size: int) -> Location:
    key = f"mail/me@example.com/2026/07/04/{number // 5000:06}/{digest}.eml"
    return Location("me@example.com", key, 0, size)


if __name__ == "__main__":
    sys.exit(main())
