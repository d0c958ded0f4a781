"""What the server holds, and how it may misbehave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


class HangupError(Exception):
    """This session ends here, without a word."""


@dataclass
class Message:
    """A message in the mailbox; two may share one UIDL."""

    uidl: str
    octets: bytes


@dataclass(frozen=True)
class Faults:
    """How the server misbehaves; message numbers are those of the session, from 1.

    Args:
        drop_after: octets sent after which each session in turn is cut; None does not cut it, and
            neither does the end of the sequence.
        drop_at: commands heard after which each session in turn is cut, the last one unanswered;
            as for ``drop_after``.
        silent_at: commands heard after which each session in turn is answered no more; 0 for not
            even a greeting.
        silent_handshake: the server's part of a TLS handshake never comes.
        reset: cut with a reset instead of an end of stream.
        sizes: what LIST says of a message instead of its size.
        numberless: UIDL lines hold no message numbers.
        unnamed: numbers that UIDL leaves out.
        arrives: messages that join the mailbox behind the answer to UIDL, and are listed at once.
        grows: octets that appear before each message once UIDL was answered, also for later
            sessions, as mailutils writes a header of its own.
        without: commands that the server does not know, such as ``UIDL`` or ``CAPA``.
        refuse: what follows -ERR when a message is asked for, by number.
        refusals: how often each message in ``refuse`` is refused; None for always.
        word: the word that refuses, which hMailServer makes ``+ERR``.
        patience: a session is reset with its so many-th refusal; None has no end.
        replies: octets that are sent instead of the answer to a command's name.
        after_stls: octets sent behind the +OK to STLS, before the handshake.
        greeting: octets sent as greeting.
        endless_greeting: the greeting has no end.
        stall: (number, octets): RETR of this message stops after so many octets and stays silent.
        cuts: numbers of messages whose RETR ends the session.
        unstuffed: dots at the beginning of a line are not doubled.
        surrogate: what is sent instead of each message with 8-bit octets in its header, unless the
            session is in UTF8 mode, as courier does.
        top_octets: TOP sends no more than so many octets.
        top: TOP sends this in place of any message's header.
        expire: what ``EXPIRE`` advertises; 0 removes at QUIT what was retrieved.
        hides: QUIT removes what was retrieved, whatever ``EXPIRE`` says.
        login_delay: seconds that ``LOGIN-DELAY`` advertises.
        enforces_delay: a login that comes sooner is refused with [LOGIN-DELAY].
        early_logins: how many logins are refused with [LOGIN-DELAY] before one is granted.
        login_refusals: what follows -ERR to the first logins, each in turn; ``""`` grants one.
        pipelining: advertise PIPELINING.
        unpipelined: commands that arrive behind another one in a single write are lost.
        capabilities: further lines of CAPA, such as mailutils' ``EXPIRENEVER``.
        late_capabilities: advertise TOP, UIDL and PIPELINING only after login, as Gmail does.
        sasl: mechanisms advertised; PLAIN works.
        utf8: advertise UTF8.
        offered: only the first so many messages are listed in a session.
        newest: ``offered`` are the last ones instead of the first.
        refuse_quit: what follows -ERR to QUIT, which then deletes nothing.
        refuse_login: what follows -ERR to PASS and AUTH.
        tail: octets sent behind the answer to a message's RETR, by number.
        when: what happens when a command of this name was heard, before it is answered.
        undeletable: numbers of messages whose DELE is refused.
        ignores_dele: DELE is answered +OK, and nothing is marked.
        overdoes: DELE marks the message behind as well.
        renumbers: DELE gives the messages behind new numbers.
        keeps: QUIT is answered +OK, and nothing is deleted.
    """

    drop_after: Sequence[int | None] = ()
    drop_at: Sequence[int | None] = ()
    silent_at: Sequence[int | None] = ()
    silent_handshake: bool = False
    reset: bool = False
    sizes: Mapping[int, int | str] = field(default_factory=dict)
    numberless: bool = False
    unnamed: frozenset[int] | set[int] = frozenset()
    arrives: Sequence[tuple[str, bytes]] = ()
    grows: bytes = b""
    without: frozenset[str] | set[str] = frozenset()
    refuse: Mapping[int, str] = field(default_factory=dict)
    refusals: int | None = None
    word: str = "-ERR"
    patience: int | None = None
    replies: Mapping[str, bytes] = field(default_factory=dict)
    after_stls: bytes = b""
    greeting: bytes = b"+OK ready\r\n"
    endless_greeting: bool = False
    stall: tuple[int, int] | None = None
    cuts: frozenset[int] | set[int] = frozenset()
    unstuffed: bool = False
    surrogate: bytes | None = None
    top_octets: int | None = None
    top: bytes | None = None
    expire: int | None = None
    hides: bool = False
    login_delay: int | None = None
    enforces_delay: bool = False
    early_logins: int = 0
    login_refusals: Sequence[str] = ()
    pipelining: bool = True
    unpipelined: bool = False
    capabilities: Sequence[str] = ()
    late_capabilities: bool = False
    sasl: tuple[str, ...] = ("PLAIN",)
    utf8: bool = False
    offered: int | None = None
    newest: bool = False
    refuse_quit: str | None = None
    refuse_login: str | None = None
    tail: Mapping[int, bytes] = field(default_factory=dict)
    when: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    undeletable: frozenset[int] | set[int] = frozenset()
    ignores_dele: bool = False
    overdoes: bool = False
    renumbers: bool = False
    keeps: bool = False
