"""What stands between a run and a mailbox, in the order in which a person debugs it.

Name, connection, TLS, certificate, capabilities, sign-in, and then what the mailbox does when it is
tried (``trials``). Nothing is changed: nothing is marked for deletion, no message is retrieved
where that could retire it, and RSET takes back before QUIT that one was seen.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from archiver.config import AccountSettings
from archiver.errors import AlreadyRunning, ArchiverError, LocalDiskError, ServerRefused
from archiver.format import account_segment
from archiver.mailbox import Mailbox, limits, mailbox
from archiver.mailbox import server as served
from archiver.pop3 import Limits, Pipelining, Server, Session
from archiver.pop3.capabilities import time_stamp
from archiver.pop3.dialing import addresses
from archiver.pop3.tls import OtherCertificate, Untrusted
from archiver.state import AccountLock, StatePaths
from archiver.verbs.doctor.certificate import see_tls
from archiver.verbs.doctor.findings import Chart, Examination
from archiver.verbs.doctor.trials import TRIED, try_mailbox

FACTS = (
    "host",
    "port",
    "security",
    "addresses",
    "greeting",
    "tls",
    "capabilities_before",
    "capabilities_after",
    "mechanisms",
    "mechanism",
    *TRIED,
)
_NO_FINGERPRINT = "0" * 64


def examine_mailbox(account: AccountSettings, state: Path, now: float) -> Examination:
    """Everything about an account's server and mailbox that a run would meet.

    Args:
        account: the settings.
        state: the state directory, where a lock may say that the account is in use.
        now: seconds since the epoch, for what a certificate says of its time.
    """
    server = account.server
    where = f"{server.user} at {server.host}:{server.port}"
    chart = Chart("account", account.name, where, FACTS)
    chart.know(host=server.host, port=server.port, security=server.security)
    try:
        found = served(account)
    except ArchiverError as error:
        chart.problem("settings", error)
        return chart.examination()
    # A person may have to type it, so it comes before a connection that would time out meanwhile.
    secret = _mailbox(account, state)
    session = None
    if _resolve(chart, found):
        session = _open(chart, found, _limits(account), now)
    if session is None:
        return chart.examination()
    with session, _unused(account, state) as busy:
        _see_server(chart, session, now)
        if isinstance(secret, ArchiverError):
            chart.problem("sign-in", secret)
        elif busy is not None:
            chart.problem("sign-in", busy)
        elif _sign_in(chart, session, secret):
            try_mailbox(chart, session, account)
            return chart.examination()
        with suppress(ArchiverError):
            session.quit()
    return chart.examination()


def _mailbox(account: AccountSettings, state: Path) -> Mailbox | ArchiverError:
    try:
        return mailbox(account, state)
    except ArchiverError as error:
        return error


def _limits(account: AccountSettings) -> Limits:
    """As a run has them, but that several commands may go ahead: whether they may is tried."""
    found = limits(account)
    never = found.pipelining is Pipelining.NEVER
    return found if never else replace(found, pipelining=Pipelining.ALWAYS)


def _resolve(chart: Chart, server: Server) -> bool:
    """Whether there is an address to connect to, or a proxy that may know one."""
    if server.proxy is not None:
        chart.ok("name", f"{server.host} is looked up by the proxy {server.proxy.host}")
        return True
    try:
        found = addresses(server.host)
    except ArchiverError as error:
        chart.problem("name", error)
        return False
    chart.know(addresses=list(found))
    literal = found == (server.host,)
    said = "is an address" if literal else f"has the addresses {', '.join(found)}"
    chart.ok("name", f"{server.host} {said}")
    return True


def _open(chart: Chart, server: Server, bounds: Limits, now: float) -> Session | None:
    began = monotonic()
    try:
        session = Session.open(server, bounds)
    except ArchiverError as error:
        chart.problem("connection", error)
        if isinstance(error, Untrusted | OtherCertificate):
            _see_untrusted(chart, server, bounds, now)
        return None
    seconds = monotonic() - began
    by = "" if server.proxy is None else f" by the {server.proxy.kind} proxy {server.proxy.host}"
    chart.ok("connection", f"{server.address} serves us after {seconds * 1000:.0f} ms{by}")
    return session


def _see_untrusted(chart: Chart, server: Server, bounds: Limits, now: float) -> None:
    """Looks at a certificate that is not trusted, in connections that no secret goes over."""
    bare = replace(server, client_cert=None, client_key=None)
    try:
        Session.open(replace(bare, fingerprint=_NO_FINGERPRINT), bounds).drop()
    except OtherCertificate as error:
        bare = replace(bare, fingerprint=error.seen)
    except ArchiverError:
        return
    with suppress(ArchiverError), Session.open(bare, bounds) as session:
        _see_server(chart, session, now, trusted=False)
        session.quit()


def _see_server(chart: Chart, session: Session, now: float, *, trusted: bool = True) -> None:
    chart.know(greeting=session.greeting)
    chart.ok("greeting", session.greeting or "(no words)")
    if session.tls is not None:
        see_tls(chart, session.tls, now, trusted=trusted)
    capabilities = session.capabilities
    for warning in session.warnings:
        offers = session.tls is None and capabilities.stls
        chart.note("tls", warning, "the server offers TLS: write pop3:// (STLS)" if offers else "")
    offered = sorted(capabilities.sasl)
    offered += ["USER"] if capabilities.user or not capabilities.advertised else []
    offered += ["APOP"] if time_stamp(session.greeting) else []
    chart.know(capabilities_before=list(capabilities.lines), mechanisms=offered)
    if capabilities.advertised:
        chart.ok("capabilities", f"before login: {', '.join(capabilities.lines)}")
    else:
        chart.note("capabilities", "the server has no CAPA: what it can do is found by trying")
    chart.ok("mechanisms", f"offered: {', '.join(offered) or 'none'}")


@contextmanager
def _unused(account: AccountSettings, state: Path) -> Iterator[AlreadyRunning | None]:
    """Keeps runs of this account away while we are signed in; says so if one is under way."""
    locks = StatePaths(state).locks
    # Where there is no lock's file nothing ever ran, and none is made for this.
    if not (locks / f"{account_segment(account.name)}.lock").exists():
        yield None
        return
    with ExitStack() as held:
        try:
            held.enter_context(AccountLock(locks, account.name, "doctor"))
        except AlreadyRunning as error:
            yield error
            return
        except LocalDiskError:
            pass  # the state directory is examined on its own
        yield None


def _sign_in(chart: Chart, session: Session, place: Mailbox) -> bool:
    before = session.capabilities
    try:
        utf8 = _switch(chart, session, place)
    except ArchiverError as error:
        chart.problem("sign-in", error)
        return False
    chart.know(mechanism=session.mechanism, utf8=utf8)
    chart.ok("sign-in", f"{place.credentials.user} signed in by {session.mechanism}")
    after = session.capabilities
    chart.know(capabilities_after=list(after.lines))
    if after.advertised:
        new = [line for line in after.lines if line not in before.lines]
        lost = [line for line in before.lines if line not in after.lines]
        words = [f"new are {', '.join(new)}"] if new else []
        words += [f"gone are {', '.join(lost)}"] if lost else []
        chart.ok("capabilities", f"after login: {'; '.join(words) or 'the same'}")
    if utf8:
        chart.ok("utf8", "advertised, and switched on")
    elif before.advertised and not before.utf8:
        chart.ok("utf8", "not offered; mail comes as the server thinks fit for ASCII clients")
    return True


def _switch(chart: Chart, session: Session, place: Mailbox) -> bool:
    """Signs in, in UTF8 mode where that is offered and given; says whether it is."""
    if session.capabilities.utf8:
        try:
            session.sign_in(place.credentials, utf8=True, auth=place.auth)
            return True
        except ServerRefused as error:
            chart.note("utf8", f"advertised, and refused: {error.message}")
    session.sign_in(place.credentials, auth=place.auth)
    return False
