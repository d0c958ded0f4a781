"""What a mailbox does when it is tried, and not just what its server advertises.

UIDL, LIST, TOP, the octets of a message, several commands in one write: each is tried once, in an
order in which a failure costs least, and a trial that loses the connection is the last one. RSET
before QUIT takes back that a message was seen (Dovecot then keeps it as new).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil

from archiver.config import AccountSettings
from archiver.errors import ArchiverError, ServerRefused, ServerUnavailable, SessionLost
from archiver.format import MessageHash
from archiver.model import Fingerprint, Listed
from archiver.pop3 import Chunk, Finished, Refused, Session
from archiver.pop3.capabilities import RETIRING_MESSAGES, RETIRING_OCTETS, retires
from archiver.pop3.rules import Verb
from archiver.verbs.doctor.findings import Chart
from archiver.verbs.doctor.listings import SizeListing, UidlListing, read_sizes, read_uidls

TRIED = (
    "messages",
    "octets",
    "utf8",
    "uidl_works",
    "uidl_unique",
    "uidl_complete",
    "top_works",
    "sizes_exact",
    "pipelining_advertised",
    "pipelining_works",
    "round_trip",
    "expire",
    "login_delay",
    "retires",
    "sessions",
    "hours",
)
"""The facts that trials bring."""

_SAMPLE_OCTETS = 64 << 10
_COMMANDS = 3
_MOST_LISTED = 1000
_SHOWN = 200


@dataclass(slots=True)
class _Tried:
    """What earlier trials found, for later ones."""

    chart: Chart
    session: Session
    account: AccountSettings
    count: int = 0
    octets: int = 0
    uidls: UidlListing | None = None
    sizes: SizeListing | None = None
    header: str = ""
    lost: bool = False

    @property
    def sample(self) -> Listed | None:
        """The message to try things with: the smallest one."""
        return None if self.sizes is None else self.sizes.smallest


def try_mailbox(chart: Chart, session: Session, account: AccountSettings) -> None:
    """Tries what a run relies on, and ends the session with nothing changed."""
    tried = _Tried(chart, session, account)
    for topic, trial in _TRIALS:
        try:
            trial(tried)
        except ServerRefused as error:
            chart.problem(topic, error)
        except ServerUnavailable as error:
            chart.problem(topic, error)
            return
    if not tried.lost:
        _end(tried)


def _try_count(tried: _Tried) -> None:
    tried.count, tried.octets = tried.session.stat()
    tried.chart.know(messages=tried.count, octets=tried.octets)
    tried.chart.ok("mailbox", f"{tried.count:,} messages, {tried.octets:,} octets")


def _try_uidl(tried: _Tried) -> None:
    chart, capabilities = tried.chart, tried.session.capabilities
    try:
        found = read_uidls(tried.session.uidls())
    except ServerRefused:
        chart.know(uidl_works=False)
        said = "advertised, and refused" if capabilities.uidl else "not there"
        chart.note(
            "uidl", said, "messages are told apart by their headers (TOP), or fetched each time"
        )
        return
    tried.uidls = found
    complete = found.count == tried.count
    chart.know(uidl_works=True, uidl_unique=not found.repeated, uidl_complete=complete)
    flaws = [f"{found.count} for {tried.count} messages"] if not complete else []
    flaws += [f"{found.repeated} of them repeated"] if found.repeated else []
    flaws += [f"{found.blank} are blank"] if found.blank else []
    flaws += ["they are message numbers"] if found.numeric and found.count else []
    flaws += ["they come without message numbers"] if found.numberless else []
    if flaws:
        chart.note(
            "uidl",
            f"works, but {'; '.join(flaws)}",
            "archiver does not trust them, and tells messages apart by their headers or octets",
        )
    else:
        chart.ok("uidl", "works: one for each message, no two alike")
    if not capabilities.uidl and capabilities.advertised:
        chart.note("uidl", "works though it is not advertised")


def _try_list(tried: _Tried) -> None:
    tried.sizes = found = read_sizes(tried.session.sizes())
    if found.count != tried.count:
        tried.chart.note("list", f"names {found.count} of {tried.count} messages")
    elif found.unsized:
        tried.chart.note("list", f"{found.unsized} of {found.count} messages have no usable size")
    else:
        tried.chart.ok("list", "names every message and its size")
    uidls = tried.uidls
    if uidls is not None and not uidls.numberless and uidls.numbers != found.numbers:
        tried.chart.note(
            "list",
            "names other messages than UIDL",
            "archiver trusts neither; if mail came just now, try again",
        )


def _try_top(tried: _Tried) -> None:
    chart, capabilities, sample = tried.chart, tried.session.capabilities, tried.sample
    if sample is None:
        chart.ok("top", "not tried: the mailbox is empty")
        return
    header, said = _fetch(tried.session, Verb.TOP, sample)
    chart.know(top_works=header is not None)
    if header is None:
        lacks = "advertised, and refused" if capabilities.top else "not there"
        chart.note("top", f"{lacks}: {said}", "messages whose UIDL is in doubt are fetched again")
        return
    tried.header = header.header_digest
    words = "" if capabilities.top or not capabilities.advertised else " though not advertised"
    chart.ok("top", f"gives headers alone{words}")


def _try_sizes(tried: _Tried) -> None:
    """Retrieves one small message, where nothing on the server may come of that."""
    chart, session, sample = tried.chart, tried.session, tried.sample
    if sample is None:
        return
    spares = session.capabilities.expire is None and not _retires(tried)
    if not spares or sample.size is None or sample.size > _SAMPLE_OCTETS:
        why = "retrieving could retire a message here" if not spares else "no message is small"
        chart.ok("octets", f"not tried: {why}")
        return
    whole, said = _fetch(session, Verb.RETR, sample)
    if whole is None:
        chart.note("octets", f"message {sample.number} is refused: {said}")
        return
    chart.know(sizes_exact=whole.size == sample.size)
    if whole.size == sample.size:
        chart.ok("octets", f"message {sample.number} is as large as LIST says")
    else:
        chart.note(
            "octets",
            f"message {sample.number} has {whole.size} octets, and LIST says {sample.size}",
            "archiver never reads by that number",
        )
    if tried.header and tried.header != whole.header_digest:
        chart.note("top", "gives another header than the message has")


def _try_round_trip(tried: _Tried) -> None:
    with suppress(ServerRefused):
        tried.session.noop()
    seconds = tried.session.round_trip
    tried.chart.know(round_trip=round(seconds, 6))
    tried.chart.ok("round trip", f"{seconds * 1000:.1f} ms")


def _see_limits(tried: _Tried) -> None:
    """How many sessions a first run takes, and how long it waits between them."""
    chart, capabilities = tried.chart, tried.session.capabilities
    delay = tried.account.login_delay
    if delay is None:
        delay = float(capabilities.login_delay or 0)
    retiring = _retires(tried)
    sessions = 1
    if retiring:
        by_octets = ceil(tried.octets / RETIRING_OCTETS)
        sessions = max(1, ceil(tried.count / RETIRING_MESSAGES), by_octets)
    hours = (sessions - 1) * delay / 3600
    chart.know(
        expire=capabilities.expire,
        login_delay=capabilities.login_delay,
        retires=retiring,
        sessions=sessions,
        hours=round(hours, 2),
    )
    if retiring:
        chart.note(
            "expire",
            "QUIT may remove what was retrieved: a run takes"
            f" {RETIRING_MESSAGES} messages a session and ends it once they are archived",
        )
    elif capabilities.expire is not None:
        chart.note("expire", f"the server keeps what was retrieved for {capabilities.expire} days")
    if delay:
        words = f"{delay:g} s between logins"
        if sessions > 1:
            words += f": {tried.count:,} messages take {sessions:,} sessions and {hours:.1f} hours"
        advice = "the login just now may make a run that follows wait so long"
        chart.note("login delay", words, advice)


def _try_pipelining(tried: _Tried) -> None:
    """Several commands in one write; the last trial, since some servers do not survive it."""
    chart, session = tried.chart, tried.session
    advertised = session.capabilities.pipelining
    chart.know(pipelining_advertised=advertised)
    if tried.account.pipelining == "never":
        chart.ok("pipelining", "not tried: the settings say never")
        return
    try:
        done = _ask_at_once(tried)
    except SessionLost as error:
        tried.lost = True
        chart.know(pipelining_works=False)
        if not advertised:
            chart.ok("pipelining", "neither advertised nor does it work")
        else:
            chart.note(
                "pipelining",
                f"advertised, and does not work: {error.message}",
                'set pipelining = "never" for this account',
            )
        return
    if not done:
        chart.ok("pipelining", "not tried: there is nothing harmless to ask for")
        return
    chart.know(pipelining_works=True)
    if advertised:
        chart.ok("pipelining", "works: commands are sent ahead of the answers")
    else:
        chart.note(
            "pipelining",
            "works though it is not advertised",
            'pipelining = "always" fetches faster from afar',
        )


def _ask_at_once(tried: _Tried) -> bool:
    """Whether several commands could be sent in one write, and every one was answered."""
    session, sample = tried.session, tried.sample
    if sample is not None and tried.header:
        answered = sum(isinstance(e, Finished) for e in session.headers([sample] * _COMMANDS))
        return answered == _COMMANDS
    if tried.count > _MOST_LISTED or tried.uidls is None:
        return False
    session.ask_ahead()
    # Of an empty mailbox some servers list nothing by -ERR, which is an answer, too.
    with suppress(ServerRefused):
        session.stat()
    for listing in (session.uidls, session.sizes):
        with suppress(ServerRefused):
            for _ in listing():
                pass
    return True


def _end(tried: _Tried) -> None:
    session = tried.session
    try:
        for _ in session.converse(Verb.RSET):
            pass
        session.quit()
    except ArchiverError as error:
        tried.chart.note("quit", error.message, "nothing was marked, so nothing comes of it")


def _fetch(session: Session, verb: Verb, listed: Listed) -> tuple[Fingerprint | None, str]:
    """What TOP or RETR gives of one message; None where it is refused, and the server's words."""
    hashed, said = MessageHash(), ""
    found: Fingerprint | None = None
    for event in (session.headers if verb is Verb.TOP else session.retrieve)([listed]):
        match event:
            case Chunk(octets):
                hashed.update(octets)
            case Finished():
                found = hashed.result()
            case Refused():
                said = event.text[:_SHOWN] or "without a reason"
    return found, said


def _retires(tried: _Tried) -> bool:
    return retires(tried.account.server.host, tried.session.capabilities)


_TRIALS: tuple[tuple[str, Callable[[_Tried], None]], ...] = (
    ("mailbox", _try_count),
    ("uidl", _try_uidl),
    ("list", _try_list),
    ("top", _try_top),
    ("octets", _try_sizes),
    ("round trip", _try_round_trip),
    ("expire", _see_limits),
    ("pipelining", _try_pipelining),
)
