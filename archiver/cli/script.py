"""Commands of ``pop --exec``: performed in their order, their answers printed on stdout."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import typer

from archiver.cli.output import print_json, say
from archiver.cli.shown import Shown, harmless
from archiver.errors import LocalDiskError, ServerRefused, UsageError
from archiver.pop3.rules import Verb
from archiver.verbs.pop import Answer, Hand, Sink, named
from archiver.verbs.pop_commands import MESSAGES, Command

JSON_OCTETS = 64 * 2**20
"""The largest message that ``--json`` prints, since it has to be in memory as a whole."""

_LISTINGS = (Verb.LIST, Verb.UIDL, Verb.CAPA)


def run_script(hand: Hand, script: Sequence[Command], *, sure: bool, as_json: bool) -> None:
    """Performs commands and prints their answers on stdout.

    Raises:
        ServerRefused: the server answered -ERR; nothing behind it is sent.
        UsageError: QUIT would delete, and nobody said that it may.
    """
    for each in script:
        if each.verb is Verb.QUIT and hand.losing and not sure:
            raise UsageError(losses(hand), hint="--yes lets QUIT do it; nothing was deleted")
        answer = _perform_json(hand, each) if as_json else _perform_plain(hand, each)
        if not answer.ok:
            raise ServerRefused(f"the server refused {each.text}: {answer.text[:200]}")
    if hand.marked and script[-1].verb is not Verb.QUIT:
        say(f"there was no QUIT, so nothing is deleted; marked was {named(sorted(hand.marked))}")


def _perform_plain(hand: Hand, each: Command) -> Answer:
    shown = Shown()
    raw = not sys.stdout.isatty()
    answer = perform(hand, each, _write if raw else shown.take)
    shown.close("")
    if answer.ok and each.verb in _LISTINGS and not each.arguments:
        typer.echo("".join(f"{harmless(line)}\n" for line in answer.lines), nl=False)
    elif answer.ok and each.verb not in MESSAGES:
        typer.echo(answer.text)
    sys.stdout.flush()
    return answer


def _write(octets: bytes) -> None:
    sys.stdout.buffer.write(octets)


def _perform_json(hand: Hand, each: Command) -> Answer:
    octets = bytearray()

    def keep(piece: bytes) -> None:
        if len(octets) + len(piece) > JSON_OCTETS:
            raise UsageError(
                f"message {each.number} is larger than --json prints",
                hint=f'--exec "{each.text} > FILE" writes its octets',
            )
        octets.extend(piece)

    answer = perform(hand, each, keep)
    lines = octets.decode("latin-1").split("\r\n")[:-1] if octets else answer.lines
    print_json({"command": each.text, "ok": answer.ok, "text": answer.text, "lines": lines})
    return answer


def perform(hand: Hand, each: Command, sink: Sink) -> Answer:
    """Performs one command; its message goes to the sink, or to the file that it names."""
    if each.target is None:
        return hand.perform(each, sink)
    with _Target(each.target) as target:
        answer = hand.perform(each, target.file.write)
        target.keep = answer.ok
    return answer


class _Target:
    """A new file, for its owner's eyes; it goes again unless the message came whole."""

    file: BinaryIO

    def __init__(self, path: Path) -> None:
        self._path = path
        self.keep = False

    def __enter__(self) -> "_Target":
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            self.file = os.fdopen(os.open(self._path, flags, 0o600), "wb")
        except FileExistsError:
            raise UsageError(f"{self._path} is there already; it is left as it is") from None
        except OSError as error:
            raise UsageError(f"{self._path} cannot be written: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        except OSError as error:
            self.keep = False
            raise LocalDiskError(f"{self._path} cannot be written: {error.strerror}") from error
        finally:
            if not self.keep:
                self._path.unlink()


def losses(hand: Hand) -> str:
    """What QUIT would do now, for people."""
    count = len(hand.losing)
    what = f"QUIT deletes {count} message{'s' if count != 1 else ''} for good: {named(hand.losing)}"
    if set(hand.losing) <= hand.marked:
        return what
    return f"{what} (this server removes at QUIT what was retrieved)"
