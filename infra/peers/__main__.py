"""Reads peers' own test mails with our reader and theirs, and prints where they disagree.

The mails of mail-parser, Python and notmuch are downloaded by pip and apt-get into a temporary
directory. mail-parser and Python read beside us as they are installed, notmuch where it is. What a
peer's suite expects of its own mails is what that peer reads. Exit code 1: a disagreement that is
not written down in infra/peers/known.py, or one there that does not occur.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.peers import corpora, readers
from infra.peers.comparison import Disagreement, compare, stale
from infra.peers.facts import Facts


def main() -> int:
    """Compares as the command line asks for; returns the exit code."""
    options = ArgumentParser(
        prog="scripts/peers", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    options.add_argument("--all", action="store_true", help="print what is written down, too")
    every = options.parse_args().all
    with TemporaryDirectory(prefix="peers-") as directory:
        try:
            mails, others = _read(Path(directory))
        except corpora.NotToBeHad as refused:
            sys.stderr.write(f"{refused}\n")
            return 1
    return _report(mails, others, every=every)


def _read(directory: Path) -> tuple[dict[str, bytes], Mapping[str, Facts]]:
    for name in ("corpora", "notmuch"):
        (directory / name).mkdir()
    mails = corpora.mails(directory / "corpora")
    return mails, readers.notmuch(mails, directory / "notmuch")


def _report(mails: Mapping[str, bytes], notmuch: Mapping[str, Facts], *, every: bool) -> int:
    found = list(compare(mails, notmuch))
    news = [one for one in found if one.known is None]
    for one in found if every else news:
        _say(_shown(one))
    gone = stale(found, with_notmuch=bool(notmuch))
    for known in gone:
        _say(f"does not occur: {known.peer}, {known.field}: {', '.join(known.mails)}")
    if not notmuch:
        _say("notmuch is not installed, and is not compared")
    _say(
        f"{len(mails)} mails, {len(notmuch)} of them by notmuch:"
        f" {len(found)} disagreements, {len(news)} not written down"
    )
    return 1 if news or gone else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _shown(one: Disagreement) -> str:
    why = "" if one.known is None else f"\n  {one.known.why}"
    return f"{one.mail}: {one.field}\n  ours: {one.ours!r}\n  {one.peer}: {one.theirs!r}{why}"


if __name__ == "__main__":
    sys.exit(main())
