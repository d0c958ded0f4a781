"""A prompt that takes POP3 commands from a person, and shows all that is said.

The one door to prompt_toolkit. Imported when a person sits in front of it and not before.
"""

from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession, prompt
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle

from archiver.cli.output import complain, say
from archiver.cli.script import losses, perform
from archiver.cli.shown import Shown
from archiver.config import AccountSettings
from archiver.errors import LocalDiskError, UsageError
from archiver.pop3.rules import Verb
from archiver.state import StatePaths
from archiver.verbs.pop import Hand
from archiver.verbs.pop_commands import KINDS, Command, parse

SHOWN_OCTETS = 64 * 1024
"""How much of a message is shown."""

Ask = Callable[[str], str]
"""Asks a person for a line; EOFError is Ctrl-D, KeyboardInterrupt Ctrl-C."""


def prompt_for_commands(account: AccountSettings, state: Path) -> None:
    """Signs in and talks until the person leaves.

    Args:
        account: the settings.
        state: the state directory, which keeps what is typed.
    """
    history: History = InMemoryHistory()
    paths = StatePaths(state)
    try:
        paths.create()
        paths.commands.touch(mode=0o600)
        history = _History(str(paths.commands))
    except (LocalDiskError, OSError) as error:
        say(f"what is typed here is not remembered: {error}")
    words = WordCompleter([*(verb.name for verb in KINDS), "HELP"], ignore_case=True)
    asking: PromptSession[str] = PromptSession(
        history=history,
        completer=words,
        complete_style=CompleteStyle.READLINE_LIKE,
        complete_while_typing=False,
    )
    with Hand.open(account, state, Screen()) as hand:
        converse(hand, asking.prompt, prompt)


class _History(FileHistory):
    """Remembers commands and nothing else: somebody may have typed a password by mistake."""

    def append_string(self, string: str) -> None:
        try:
            parse(string)
        except UsageError:
            return
        super().append_string(string)


class Screen:
    """A transcript for a person's eyes."""

    def sent(self, line: str) -> None:
        """What we say."""
        say(f"C: {line}")

    def received(self, line: str) -> None:
        """What the server says."""
        say(f"S: {line}")


def converse(hand: Hand, ask: Ask, confirm: Ask) -> None:
    """Takes commands from a person until QUIT, Ctrl-D or Ctrl-C.

    Args:
        hand: the session.
        ask: asks for a command.
        confirm: asks whether QUIT may delete.
    """
    say("signed in; HELP lists the commands, Ctrl-D leaves and deletes nothing")
    try:
        while not _turn(hand, ask("pop3> "), confirm):
            pass
    except (EOFError, KeyboardInterrupt) as left:
        hand.drop()
        say("the connection was dropped without QUIT: nothing is deleted")
        if isinstance(left, KeyboardInterrupt):
            raise


def _turn(hand: Hand, line: str, confirm: Ask) -> bool:
    """One line of a person's; whether it was the last."""
    if not line.strip():
        return False
    if line.split()[0].upper() in ("HELP", "?"):
        _help()
        return False
    try:
        each = parse(line)
        if each.verb is Verb.QUIT and hand.losing and not _agrees(hand, confirm):
            say("QUIT was not sent; RSET takes marks back, Ctrl-D leaves and deletes nothing")
            return False
        _perform_shown(hand, each)
    except (UsageError, LocalDiskError) as error:
        complain(error)
        return False
    return each.verb is Verb.QUIT


def _agrees(hand: Hand, confirm: Ask) -> bool:
    return confirm(f"{losses(hand)}. Type yes: ").strip().lower() == "yes"


def _perform_shown(hand: Hand, each: Command) -> None:
    shown = Shown(SHOWN_OCTETS)
    answer = perform(hand, each, shown.take)
    shown.close(f"{each.text} > FILE writes all of it")
    if answer.ok and each.target is not None:
        say(f"{each.target} holds its exact octets")


def _help() -> None:
    for verb, kind in KINDS.items():
        say(f"{verb.name} {kind.form.value}".ljust(10) + kind.help)
    say("HELP".ljust(10) + "this; Ctrl-D leaves and deletes nothing")
