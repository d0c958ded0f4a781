"""Output: machines read stdout, people read stderr."""

import json
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from archiver.errors import ArchiverError


def print_json(record: Mapping[str, Any]) -> None:
    """One object on one line of stdout, in which nothing is left that a terminal would obey."""
    text = json.dumps(record, ensure_ascii=False)
    if not text.isprintable():
        text = "".join(map(_escaped, text))
    sys.stdout.write(f"{text}\n")


def _escaped(character: str) -> str:
    """A character as JSON may have it anywhere in a string (RFC 8259 section 7)."""
    return character if character.isprintable() else json.dumps(character)[1:-1]


def say(line: str = "") -> None:
    """A line for a person, on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def complain(error: ArchiverError) -> None:
    """What went wrong, and what to do about it."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"  {error.hint}")


def shell_word(text: str) -> str:
    """Text that comes from elsewhere as a word to copy into a shell; nothing moves the cursor."""
    if text.isprintable():
        return shlex.quote(text)
    plain = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain) + "'"


def octets(number: int) -> str:
    """A number of octets as people read it."""
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError
