"""POP3 without a socket: octets in, events out (RFC 1939, RFC 2449, RFC 5034).

What may be said and answered when is in the tables of ``rules``. After a ProtocolError the stream
is out of step for good: whoever holds the connection closes it.

A message ends at CRLF . CRLF and nowhere else, and its first line counts as following a CRLF. So
the reader begins each message at the CRLF of its status line, which it never emits: the one search
for the end then needs no special case. What waits for more octets stays raw; dots are un-stuffed
only in what is emitted.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections import deque
from dataclasses import dataclass

from archiver.errors import ProtocolError
from archiver.model import Listed
from archiver.pop3.confidences import REPEATED, Confidences
from archiver.pop3.events import (
    Challenge,
    Chunk,
    Finished,
    Lines,
    Refused,
    Reply,
    Started,
    WireEvent,
)
from archiver.pop3.rules import ANSWERS, ONE, RULES, Answer, Phase, Rule, Shape, State, Verb
from archiver.pop3.transcript import (
    Transcript,
    challenge_line,
    command_line,
    proof_line,
    readable,
    response_line,
)

STATUS_LIMIT = 8192
"""Octets of a status line; RFC 2449 section 4 grants 512, some servers take more."""

LINE_LIMIT = 4096
"""Octets of one line of a listing; UIDLs of more than 128 octets are met in the wild."""

HELD_OCTETS = 64 * 1024
"""A message smaller than this is emitted in one piece."""

UNSTUFFED_DOT = "unstuffed-dot"
"""Anomaly: a line of the message begins with one dot that the server did not double."""

_CRLF = b"\r\n"
_END = b"\r\n.\r\n"
_DOT = b"\r\n."
_STUFFED = b"\r\n.."
# Every beginning of CRLF . CRLF that a cut must not part from what follows, the longest first.
_BEGINNINGS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
# hMailServer says +ERR for -ERR.
_STATUS = re.compile(rb"(\+OK|[-+]ERR)(?![A-Z0-9])[ \t]*(.*)", re.DOTALL | re.IGNORECASE)
_CODE = re.compile(r"\[([^\]\s]{1,64})\]")


@dataclass(frozen=True, slots=True)
class _Expected:
    verb: Verb
    rule: Rule
    listed: Listed | None


class Protocol:
    """The client's side of one connection.

    Args:
        transcript: hears what passes, without secrets; None for nobody.
    """

    def __init__(self, transcript: Transcript | None = None) -> None:
        """Expects the greeting."""
        self._transcript = transcript
        self._confidences = Confidences()
        self._state = State.CONNECTED
        self._phase = Phase.STATUS
        self._expected: deque[_Expected] = deque()
        self._buffer = bytearray()
        self._at = 0  # everything before it was emitted
        self._seen = 0  # no message ends before it
        self._hidden = 0  # octets at _at that belong to the status line
        self._stray_dots = False
        self._taken = 0  # octets of the message so far
        self._ending = False
        self._challenged = False  # it is our turn to answer, and nobody else's
        self._expect(Verb.GREETING, b"", None)

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    def confide(self, *public: str) -> Confidences:
        """What takes the secrets of this session, of which these names are none."""
        self._confidences = Confidences(*public)
        return self._confidences

    def discreet(self, text: str) -> str:
        """The server's words, unless they repeat a secret."""
        return REPEATED if self._confidences.repeated_in(text) else text

    @property
    def outstanding(self) -> int:
        """Commands whose answers are not complete, the greeting among them."""
        return len(self._expected)

    @property
    def in_bulk(self) -> bool:
        """Whether what comes is a message or a listing of messages, which may take its time."""
        return self._phase is not Phase.STATUS and self._expected[0].verb is not Verb.CAPA

    def send(self, verb: Verb, arguments: bytes = b"", listed: Listed | None = None) -> bytes:
        """The octets of a command, whose answer is expected from now on.

        Args:
            verb: the command.
            arguments: what stands behind it, without line ends.
            listed: the message that it is about, which its events then name.

        Raises:
            RuntimeError: the command has no place here, or would be a second one in disguise.
            ProtocolError: the server spoke before it was asked.
        """
        if any(octet in arguments for octet in b"\r\n\0"):
            raise RuntimeError(f"{verb.name} with a line end or NUL in its arguments")
        self.require_quiet()
        self._expect(verb, arguments, listed)
        if self._transcript is not None:
            self._transcript.sent(command_line(verb, arguments))
        # Nothing is trimmed: a password may end in a space.
        words = (verb.name.encode(), arguments) if arguments else (verb.name.encode(),)
        return b" ".join(words) + _CRLF

    def respond(self, octets: bytes) -> bytes:
        """The octets of a SASL response, already in base64, to the last challenge."""
        if not self._challenged:
            raise RuntimeError("a SASL response to no challenge")
        self.require_quiet()
        self._challenged = False
        if self._transcript is not None:
            self._transcript.sent(response_line(octets))
        return octets + _CRLF

    def require_quiet(self) -> None:
        """Raises ProtocolError if octets lie here that no command of ours asked for.

        Before a TLS handshake they would be somebody else's words in the server's mouth
        (response injection): RFC 2595 section 4 has them discarded, we trust nothing after them.
        """
        if len(self._buffer) > self._at and (self._challenged or not self._expected):
            raise ProtocolError("the server sent more than it was asked for")

    def _expect(self, verb: Verb, arguments: bytes, listed: Listed | None) -> None:
        place = (self._state, verb)
        rule = (ONE.get(place) if arguments else None) or RULES.get(place)
        if rule is None:
            raise RuntimeError(f"{verb.name} has no place in the state {self._state.value}")
        if rule.names == (listed is None):
            raise RuntimeError(f"{verb.name} must name a message if and only if it is about one")
        # A command that pipelines finds only such commands ahead of it: the others end alone.
        if self._expected and not (rule.pipelines and self._expected[0].rule.pipelines):
            raise RuntimeError(f"{verb.name} cannot be sent while answers are outstanding")
        self._expected.append(_Expected(verb, rule, listed))

    def feed(self, octets: bytes) -> None:
        """Takes octets from the server; ``next_event`` says what they mean."""
        if self._at:
            del self._buffer[: self._at]
            self._seen -= self._at
            self._at = 0
        self._buffer += octets

    def next_event(self) -> WireEvent | None:
        """The next event, or None when it takes more octets to know.

        Raises:
            ProtocolError: the server sent what POP3 does not allow; nothing can follow it.
        """
        if self._ending:
            return self._finish()
        if self._phase is Phase.OCTETS:
            return self._read_octets()
        if self._phase is Phase.LINES:
            return self._read_lines()
        return self._read_status()

    def _read_status(self) -> WireEvent | None:
        if self._challenged or not self._expected:
            self.require_quiet()
            return None
        buffer, start = self._buffer, self._at
        end = buffer.find(_CRLF, start, start + STATUS_LIMIT + 2)
        if end < 0 and len(buffer) - start > STATUS_LIMIT + 1:
            raise ProtocolError(f"the server sent a line of more than {STATUS_LIMIT} octets")
        if buffer.find(b"\n", start, end if end >= 0 else len(buffer)) >= 0:
            raise ProtocolError("the server ended a line with LF alone")
        if end < 0:
            return None
        self._at = end + 2
        return self._answer(bytes(buffer[start:end]))

    def _answer(self, line: bytes) -> WireEvent:
        expected = self._expected[0]
        answer, words = _parse(line)
        phase = ANSWERS.get((expected.rule.shape, answer)) if answer else None
        if self._transcript is not None:
            shown = _shown(expected.rule.shape, answer, words, line)
            self._transcript.received(self.discreet(shown))
        if answer is None or phase is None:
            quoted = self.discreet(_quoted(expected.verb, line))
            raise ProtocolError(f"the server answered {quoted}")
        if answer is Answer.MORE:
            self._challenged = True
            return Challenge(_decoded(words))
        self._phase = phase
        if phase is Phase.STATUS:
            self._expected.popleft()
        text = readable(words)
        if answer is Answer.OK:
            self._state = expected.rule.after
        elif self._state is State.TRANSACTION:
            # Before that, what a refusal means is read in its words, and not shown by this.
            text = self.discreet(text)
        if expected.listed is None:
            return Reply(answer is Answer.OK, _code(words), text)
        if answer is Answer.ERR:
            return Refused(expected.listed, _code(words), text)
        if phase is Phase.STATUS:
            return Finished(expected.listed, text=text)
        self._at = self._seen = self._at - len(_CRLF)
        self._hidden = len(_CRLF)
        self._stray_dots, self._taken = False, 0
        return Started(expected.listed, text)

    def _read_octets(self) -> WireEvent | None:
        buffer = self._buffer
        end = buffer.find(_END, self._seen)
        if end >= 0:
            octets = self._take(end + len(_CRLF))
            self._at = end + len(_END)
            self._ending = True
            return Chunk(octets) if octets else self._finish()
        cut = len(buffer) - next((len(b) for b in _BEGINNINGS if buffer.endswith(b)), 0)
        if cut - self._at < HELD_OCTETS:
            self._seen = max(len(buffer) - len(_END) + 1, self._at)
            return None
        octets = self._take(cut)
        self._at = self._seen = cut
        return Chunk(octets)

    def _take(self, end: int) -> bytes:
        """The octets from here to ``end`` as the message has them."""
        octets = bytes(memoryview(self._buffer)[self._at : end])
        if _DOT in octets:
            self._stray_dots |= octets.count(_DOT) > octets.count(_STUFFED)
            octets = octets.replace(_STUFFED, _DOT)
        hidden, self._hidden = self._hidden, 0
        self._taken += len(octets) - hidden
        return octets[hidden:]

    def _finish(self) -> Finished | None:
        """Ends a message, once what stands behind it shows that it was the end.

        A server that does not double a dot (Dovecot 2.3 on a message's first line) makes a message
        end early; its rest then stands where the next status line should.
        """
        expected, buffer = self._expected[0], self._buffer
        assert expected.listed is not None
        behind = bytes(buffer[self._at : self._at + 1])
        if not behind and len(self._expected) > 1:
            return None
        if behind and (behind not in b"+-" or len(self._expected) == 1):
            raise ProtocolError("the server sent more behind the end of a message")
        if not self._taken and expected.verb is Verb.RETR and expected.listed.size:
            raise ProtocolError(f"no octets came of a message of {expected.listed.size}")
        if self._transcript is not None:
            self._transcript.received(f"({self._taken} octets)")
        self._ending = False
        self._phase = Phase.STATUS
        self._expected.popleft()
        return Finished(expected.listed, (UNSTUFFED_DOT,) if self._stray_dots else ())

    def _read_lines(self) -> WireEvent | None:
        buffer, start = self._buffer, self._at
        last = buffer.rfind(_CRLF, start)
        if len(buffer) - (last + 2 if last >= 0 else start) > LINE_LIMIT + 1:
            raise _long_line()
        if last < 0:
            return None
        # With a CRLF before and behind it, the end of a listing looks the same wherever it is.
        block = _CRLF + buffer[start : last + 2]
        end = block.find(_END)
        ended = end >= 0
        self._at = start + end + 3 if ended else last + 2
        body = bytes(block[2 : end if ended else -2])
        lines = body.split(_CRLF) if end else []
        if any(len(line) > LINE_LIMIT for line in lines):
            raise _long_line()
        if ended:
            self._phase = Phase.STATUS
            self._expected.popleft()
        if self._transcript is not None:
            for line in [*lines, b"."] if ended else lines:
                self._transcript.received(self.discreet(readable(line)))
        return Lines(tuple(x[1:] if x.startswith(b"..") else x for x in lines), ended)


def _parse(line: bytes) -> tuple[Answer | None, bytes]:
    if match := _STATUS.fullmatch(line):
        return Answer.OK if match[1].upper() == b"+OK" else Answer.ERR, match[2]
    if line == b"+" or line.startswith(b"+ "):
        return Answer.MORE, line[2:]
    return None, b""


def _shown(shape: Shape, answer: Answer | None, words: bytes, line: bytes) -> str:
    if answer is Answer.MORE:
        return challenge_line(words)
    return proof_line(words) if (shape, answer) == (Shape.SASL, Answer.OK) else readable(line)


def _code(words: bytes) -> str:
    match = _CODE.match(readable(words))
    return match[1].upper() if match else ""


def _decoded(words: bytes) -> bytes:
    """A challenge; some servers write words for people, such as ``+ go ahead``, where none is."""
    try:
        return a2b_base64(words.strip(), strict_mode=True)
    except Base64Error:
        return b""


def _quoted(verb: Verb, line: bytes) -> str:
    """A line that makes no sense, unless it may repeat a secret that it answers."""
    if verb in (Verb.PASS, Verb.APOP, Verb.AUTH):
        return f"{verb.name} with what is no status line"
    return repr(readable(line)[:80])


def _long_line() -> ProtocolError:
    return ProtocolError(f"the server sent a listing line of more than {LINE_LIMIT} octets")
