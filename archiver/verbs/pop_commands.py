"""POP3 commands as a person types them, and what may be said when.

``pop3.rules`` is the table of that; a command that has no place in it is not sent, and whoever
typed it hears which ones have.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from archiver.errors import UsageError
from archiver.pop3.rules import RULES, State, Verb


class _Form(Enum):
    """The arguments that a command takes, as its help shows them."""

    NONE = ""
    MAY = "[n]"
    MUST = "n"
    TWO = "n k"


@dataclass(frozen=True, slots=True)
class _Kind:
    form: _Form
    help: str


KINDS: Mapping[Verb, _Kind] = {
    Verb.STAT: _Kind(_Form.NONE, "how many messages there are, and their octets"),
    Verb.LIST: _Kind(_Form.MAY, "the size of each message, or of message n"),
    Verb.UIDL: _Kind(_Form.MAY, "the unique id of each message, or of message n"),
    Verb.TOP: _Kind(_Form.TWO, "the header of message n and k lines of its text"),
    Verb.RETR: _Kind(_Form.MUST, "message n; RETR n > FILE writes its exact octets"),
    Verb.DELE: _Kind(_Form.MUST, "marks message n: QUIT deletes it"),
    Verb.NOOP: _Kind(_Form.NONE, "nothing, which keeps the session alive"),
    Verb.RSET: _Kind(_Form.NONE, "takes all marks back"),
    Verb.CAPA: _Kind(_Form.NONE, "what the server says it can do"),
    Verb.QUIT: _Kind(_Form.NONE, "ends the session and deletes what is marked"),
}
"""The commands that a person may give, with their arguments; ``pop3.rules`` says when."""

MESSAGES = frozenset({Verb.TOP, Verb.RETR})
"""The commands that are answered by a message."""

_WORDS: Mapping[_Form, re.Pattern[str]] = {
    _Form.NONE: re.compile(r""),
    _Form.MAY: re.compile(r"|[1-9]\d{0,9}", re.ASCII),
    _Form.MUST: re.compile(r"[1-9]\d{0,9}", re.ASCII),
    _Form.TWO: re.compile(r"[1-9]\d{0,9} \d{1,9}", re.ASCII),
}
_TARGET = re.compile(r"(.*?)\s*>\s*(\S.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """One command: ``arguments`` as they are sent, ``target`` where a message is to be written."""

    verb: Verb
    arguments: str = ""
    target: Path | None = None

    @property
    def number(self) -> int:
        """The message that it is about, 0 where it is about none or all."""
        return int(self.arguments.partition(" ")[0] or 0)

    @property
    def text(self) -> str:
        """The command as it is sent."""
        return f"{self.verb.name} {self.arguments}".rstrip()


def parse(line: str) -> Command:
    """A command from what a person typed, in any case.

    Raises:
        UsageError: it is none, or has other arguments than it takes; the hint says what may be.
    """
    words, target = line, None
    if match := _TARGET.fullmatch(line):
        words, target = match[1], _file(match[2])
    name, *arguments = words.split() or [""]
    verb = Verb.__members__.get(name.upper())
    if verb is None or verb not in KINDS:
        raise UsageError(_misplaced(name.upper(), verb), hint=f"here one may say {allowed()}")
    form = KINDS[verb].form
    if not _WORDS[form].fullmatch(" ".join(arguments)):
        takes = f"is said as {verb.name} {form.value}" if form.value else "takes nothing behind it"
        raise UsageError(f"{verb.name} {takes}", hint="n is a message's number, as LIST shows it")
    if target is not None and verb not in MESSAGES:
        raise UsageError(f"only TOP and RETR write a file, not {verb.name}")
    return Command(verb, " ".join(arguments), target)


def _file(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise UsageError(f"{name} is in the home directory of nobody") from None


def parse_script(lines: Iterable[str]) -> list[Command]:
    """Commands in their order.

    Raises:
        UsageError: one of them is none, or something stands behind QUIT.
    """
    script = [parse(line) for line in lines]
    if any(each.verb is Verb.QUIT for each in script[:-1]):
        raise UsageError("nothing can follow QUIT", hint="let it be the last --exec")
    return script


def allowed(state: State = State.TRANSACTION) -> str:
    """The commands that have a place in this state, for people."""
    return ", ".join(verb.name for verb in KINDS if (state, verb) in RULES)


def _misplaced(name: str, verb: Verb | None) -> str:
    if verb is not None and (State.AUTHORIZATION, verb) in RULES:
        return f"{name} belongs before signing in, which has been done"
    return f"{name} is no command of POP3 that can be used here"
