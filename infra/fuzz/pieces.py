"""A fuzzer's octets as the words of a server, in the pieces in which they come.

Five octets, of which UTF-8 has none, are marks, so that a fuzzer that only moves octets about gets
far: it cannot guess that words must wait for a command, write 64 KiB, or sign a nonce.

    CUT    ends a piece; what follows comes with a later read
    MANY   at the beginning of a piece: the octet behind it says how often the rest is repeated
    ECHO   the line that the client sent last
    WORD   the last word of that line
    HONEST what a server that knows the password says next in SCRAM, in base64
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator

CUT, MANY, ECHO, WORD, HONEST = (bytes((mark,)) for mark in range(0xF8, 0xFD))
REPEATED = 64
"""How often each unit of what stands behind MANY repeats a piece."""

MOST_OCTETS = 256 * 1024
"""What all repeated pieces of one input have together."""

_SALT = b"0123456789abcdef"
_ROUNDS = 4096


def expand(words: bytes) -> Iterator[bytes]:
    """The pieces of these words, none of them empty, with ECHO, WORD and HONEST still in them."""
    left = MOST_OCTETS
    for piece in words.split(CUT):
        if not piece.startswith(MANY):
            if piece:
                yield piece
            continue
        times, rest = piece[1:2], piece[2:]
        if rest and times:
            repeated = rest * min(REPEATED * (times[0] + 1), left // len(rest))
            left -= len(repeated)
            if repeated:
                yield repeated


class Script:
    """A server that says what is written, whatever it hears.

    Args:
        words: what it says.
        password: that of the user, whom an honest server knows.
    """

    def __init__(self, words: bytes, password: str) -> None:
        """Nothing was said yet."""
        self._pieces = expand(words)
        self._scram = _Scram(password)
        self._line = b""

    def hear(self, octets: bytes) -> None:
        """Takes what the client says, whole lines."""
        self._line = octets.splitlines()[-1]

    def say(self) -> bytes:
        """The next piece; empty when all is said."""
        for piece in self._pieces:
            said = piece.replace(ECHO, self._line, 1)
            said = said.replace(WORD, self._line.rpartition(b" ")[2], 1)
            if HONEST in said:
                said = said.replace(HONEST, self._scram.answer(self._line), 1)
            if said:
                return said
        return b""


class _Scram:
    """The server's side of SCRAM (RFC 5802), as far as a client can tell."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._hash = "sha256"
        self._first = b""

    def answer(self, line: bytes) -> bytes:
        """The challenge for a client's first line, or the signature for its second."""
        if line.startswith(b"AUTH SCRAM-SHA-1"):
            self._hash = "sha1"
        try:
            said = b64decode(line.rpartition(b" ")[2])
        except Base64Error:
            return b""
        nonce = next((field for field in said.split(b",") if field.startswith(b"r=")), b"r=")
        if said.startswith((b"n,", b"y,")):
            first = nonce + b"server,s=" + b64encode(_SALT) + b",i=%d" % _ROUNDS
            self._first = b",".join(said.split(b",")[2:]) + b"," + first
            return b64encode(first)
        message = self._first + b"," + said.rpartition(b",p=")[0]
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, _SALT, _ROUNDS)
        key = hmac.digest(salted, b"Server Key", self._hash)
        return b64encode(b"v=" + b64encode(hmac.digest(key, message, self._hash)))
