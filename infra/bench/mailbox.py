"""Mailboxes to measure with: made from a seed in the shapes of real mail, or read from files.

Text follows Zipf's law over an invented vocabulary, so that an index of it grows as one of real
text does; sizes are log-normal, as measured ones are. The same seed gives the same octets.
"""

import math
import random
from base64 import encodebytes
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

_SYLLABLES = ("ka", "lo", "mi", "ter", "an", "sol", "ver", "den", "bri", "tu", "pal", "or", "gen")
_SENDERS = tuple(f"Person {n} <person{n}@example.com>" for n in range(200))
_VOCABULARY = 20_000
_LINE_WORDS = 11
_SMALL_MEDIAN = 2_500
_ATTACHMENT_MEDIAN = 60_000
_ATTACHMENT_MOST = 8_000_000
_EVEN_OCTETS = 30_000
_HALF_CHANCE_OF_LIST = 0.5

# Share of messages by shape, for each size.
_SHAPES = {
    "even": {"even": 1.0},
    "small": {"plain": 0.88, "alternative": 0.12, "attachment": 0.0},
    "mixed": {"plain": 0.45, "alternative": 0.40, "attachment": 0.15},
}
SIZES = tuple(_SHAPES)


def read_corpus(directory: Path, count: int | None) -> Iterator[bytes]:
    """The first ``count`` files ``*.eml`` below ``directory``, by name; all where it is None."""
    yield from (file.read_bytes() for file in sorted(directory.rglob("*.eml"))[:count])


def make_messages(count: int, size: str, seed: int) -> Iterator[bytes]:
    """``count`` messages with CRLF line ends.

    Args:
        count: how many.
        size: one of ``SIZES``: "small" is text of some kilobytes; "mixed" adds attachments of
            60 kB in the median, and up to 8 MB; "even" is text of 30 kB each.
        seed: where chance begins.
    """
    writer = _Writer(seed)
    shapes = _SHAPES[size]
    for number in range(count):
        yield writer.message(number, writer.pick(shapes)).replace(b"\n", b"\r\n")


class _Writer:
    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311  (mail to measure with is no secret)
        words = {
            "".join(self._chance.choices(_SYLLABLES, k=3)) + str(n % 7)
            for n in range(_VOCABULARY * 2)
        }
        self._words = sorted(words)[:_VOCABULARY]
        self._chance.shuffle(self._words)
        self._weights = list(accumulate(1 / rank for rank in range(1, len(self._words) + 1)))

    def pick(self, shares: dict[str, float]) -> str:
        return self._chance.choices(list(shares), list(shares.values()))[0]

    def message(self, number: int, shape: str) -> bytes:
        length = _EVEN_OCTETS if shape == "even" else self._length(_SMALL_MEDIAN)
        text = self._text(length)
        if shape in ("plain", "even"):
            return self._header(number) + _leaf("text/plain; charset=utf-8", text.encode())
        parts = [_leaf("text/plain; charset=utf-8", text.encode())]
        if shape == "alternative":
            page = "".join(f"<p>{line} <b>&eacute;</b></p>\n" for line in text.splitlines())
            parts.append(_leaf("text/html; charset=utf-8", page.encode()))
            return self._header(number) + _multipart("alternative", parts)
        octets = self._chance.randbytes(min(self._length(_ATTACHMENT_MEDIAN), _ATTACHMENT_MOST))
        parts.append(
            b'Content-Type: application/pdf; name="file%d.pdf"\nContent-Disposition: attachment\n'
            b"Content-Transfer-Encoding: base64\n\n%b" % (number, encodebytes(octets))
        )
        return self._header(number) + _multipart("mixed", parts)

    def _length(self, median: int) -> int:
        return int(self._chance.lognormvariate(math.log(median), 1.0)) + 1

    def _text(self, length: int) -> str:
        words = self._chance.choices(self._words, cum_weights=self._weights, k=length // 8 + 1)
        lines = (words[at : at + _LINE_WORDS] for at in range(0, len(words), _LINE_WORDS))
        return "".join(" ".join(line) + "\n" for line in lines)

    def _header(self, number: int) -> bytes:
        sender, recipient = self._chance.choices(_SENDERS, k=2)
        subject = " ".join(self._chance.choices(self._words, cum_weights=self._weights, k=5))
        hops = "".join(
            f"Received: from mx{hop}.example.com (mx{hop}.example.com [192.0.2.{hop}])\n"
            f"\tby mx{hop + 1}.example.com with ESMTPS id {self._chance.getrandbits(64):x};\n"
            f"\tTue, 02 Jan 2024 10:00:{hop:02d} +0000\n"
            for hop in range(self._chance.randint(1, 5))
        )
        list_id = "List-Id: <bench.lists.example.com>\n" * (
            self._chance.random() < _HALF_CHANCE_OF_LIST
        )
        return (
            f"{hops}From: {sender}\nTo: {recipient}\nSubject: =?UTF-8?Q?=C3=A9?= {subject}\n"
            f"Date: Tue, {number % 28 + 1:02d} Jan 2024 10:{number % 60:02d}:00 +0000\n"
            f"Message-ID: <{number}.{self._chance.getrandbits(48):x}@example.com>\n{list_id}"
            "MIME-Version: 1.0\n"
        ).encode()


def _leaf(kind: str, body: bytes) -> bytes:
    return b"Content-Type: %b\nContent-Transfer-Encoding: 8bit\n\n%b" % (kind.encode(), body)


def _multipart(subtype: str, parts: list[bytes]) -> bytes:
    head = f'Content-Type: multipart/{subtype}; boundary="=_bench"\n\n'.encode()
    return head + b"".join(b"--=_bench\n%b\n" % part for part in parts) + b"--=_bench--\n"
