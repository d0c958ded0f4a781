"""The state machine of a POP3 session, as two tables (RFC 1939, RFC 2449, RFC 5034).

``RULES`` says which command may be sent in which state, what its answer looks like and where +OK
leads; ``ANSWERS`` says what each kind of status line opens. An entry missing from ``RULES`` is our
own mistake (RuntimeError); one missing from ``ANSWERS`` is the server's (ProtocolError).
"""

from dataclasses import dataclass
from enum import Enum, auto


class Verb(Enum):
    """The commands that we send, by their names, and the greeting, which answers none."""

    GREETING = auto()
    CAPA = auto()
    STLS = auto()
    UTF8 = auto()
    USER = auto()
    PASS = auto()
    APOP = auto()
    AUTH = auto()
    STAT = auto()
    UIDL = auto()
    LIST = auto()
    TOP = auto()
    RETR = auto()
    DELE = auto()
    NOOP = auto()
    RSET = auto()
    QUIT = auto()


class State(Enum):
    """Where the session stands (RFC 1939 section 3)."""

    CONNECTED = "connected"
    AUTHORIZATION = "authorization"
    TRANSACTION = "transaction"
    CLOSED = "closed"


class Shape(Enum):
    """What a command's answer looks like."""

    LINE = "line"
    LISTING = "listing"
    MESSAGE = "message"
    SASL = "sasl"


class Answer(Enum):
    """What a status line says."""

    OK = "+OK"
    ERR = "-ERR"
    MORE = "+"


class Phase(Enum):
    """What the reader expects next."""

    STATUS = "status"
    LINES = "lines"
    OCTETS = "octets"


@dataclass(frozen=True, slots=True)
class Rule:
    """A command's answer, the state after +OK, and whether commands may stand around it.

    A command that ``names`` a message is about one of a listing, which its events repeat.
    """

    shape: Shape
    after: State
    pipelines: bool = False
    names: bool = False


_A, _T = State.AUTHORIZATION, State.TRANSACTION

RULES: dict[tuple[State, Verb], Rule] = {
    (State.CONNECTED, Verb.GREETING): Rule(Shape.LINE, _A),
    (_A, Verb.CAPA): Rule(Shape.LISTING, _A),
    (_A, Verb.STLS): Rule(Shape.LINE, _A),
    (_A, Verb.UTF8): Rule(Shape.LINE, _A),
    (_A, Verb.USER): Rule(Shape.LINE, _A),
    (_A, Verb.PASS): Rule(Shape.LINE, _T),
    (_A, Verb.APOP): Rule(Shape.LINE, _T),
    (_A, Verb.AUTH): Rule(Shape.SASL, _T),
    (_A, Verb.QUIT): Rule(Shape.LINE, State.CLOSED),
    (_T, Verb.CAPA): Rule(Shape.LISTING, _T, pipelines=True),
    (_T, Verb.STAT): Rule(Shape.LINE, _T, pipelines=True),
    (_T, Verb.UIDL): Rule(Shape.LISTING, _T, pipelines=True),
    (_T, Verb.LIST): Rule(Shape.LISTING, _T, pipelines=True),
    (_T, Verb.NOOP): Rule(Shape.LINE, _T, pipelines=True),
    (_T, Verb.RSET): Rule(Shape.LINE, _T),
    (_T, Verb.TOP): Rule(Shape.MESSAGE, _T, pipelines=True, names=True),
    (_T, Verb.RETR): Rule(Shape.MESSAGE, _T, pipelines=True, names=True),
    (_T, Verb.DELE): Rule(Shape.LINE, _T, pipelines=True, names=True),
    (_T, Verb.QUIT): Rule(Shape.LINE, State.CLOSED),
}

ONE: dict[tuple[State, Verb], Rule] = {
    (_T, Verb.UIDL): Rule(Shape.LINE, _T),
    (_T, Verb.LIST): Rule(Shape.LINE, _T),
}
"""What is another command where it names one message: its answer is a line, not a listing."""

ANSWERS: dict[tuple[Shape, Answer], Phase] = {
    (Shape.LINE, Answer.OK): Phase.STATUS,
    (Shape.LINE, Answer.ERR): Phase.STATUS,
    (Shape.LISTING, Answer.OK): Phase.LINES,
    (Shape.LISTING, Answer.ERR): Phase.STATUS,
    (Shape.MESSAGE, Answer.OK): Phase.OCTETS,
    (Shape.MESSAGE, Answer.ERR): Phase.STATUS,
    (Shape.SASL, Answer.OK): Phase.STATUS,
    (Shape.SASL, Answer.ERR): Phase.STATUS,
    (Shape.SASL, Answer.MORE): Phase.STATUS,
}
