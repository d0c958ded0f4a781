"""What TLS agreed on, and what the server's certificate says of itself."""

from dataclasses import asdict
from datetime import UTC, datetime

from archiver.errors import ServerUnavailable
from archiver.pop3.tls import TlsInfo
from archiver.verbs.doctor.findings import Chart

_DAY = 86_400
_SOON_DAYS = 14


def see_tls(chart: Chart, tls: TlsInfo, now: float, *, trusted: bool) -> None:
    """Version and cipher, the certificate's names, dates and fingerprint.

    Args:
        chart: where findings go.
        tls: what was agreed on.
        now: seconds since the epoch.
        trusted: whether a run would trust it; else this was only a look.
    """
    facts = asdict(tls)
    if not trusted:
        facts["verified_by"] = ""
    chart.know(tls=facts)
    if trusted:
        chart.ok("tls", f"{tls.version}, {tls.cipher}, trusted by {tls.verified_by}")
    else:
        chart.note("tls", f"{tls.version}, {tls.cipher}; not trusted, and no secret was sent")
    names = ", ".join(tls.names) or "no name"
    chart.ok(
        "certificate",
        f"of {tls.subject or 'nobody'}, made out by {tls.issuer or 'nobody'}, for {names}",
    )
    chart.ok("certificate", f"SHA-256 {tls.fingerprint}")
    _see_dates(chart, tls, now)


def _see_dates(chart: Chart, tls: TlsInfo, now: float) -> None:
    begins, ends = _seconds(tls.not_before), _seconds(tls.not_after)
    if begins is None or ends is None:
        chart.note("certificate", "its dates cannot be read")
        return
    days = int((ends - now) // _DAY)
    if now < begins:
        chart.problem(
            "certificate",
            ServerUnavailable(
                f"it is valid from {tls.not_before} on, and our clock says {_written(now)}",
                hint="set the clock of this machine, or have the certificate made out again",
            ),
        )
    elif now > ends:
        chart.note(
            "certificate",
            f"it ended on {tls.not_after}, {-days} days ago",
            "have it renewed; if it was, set the clock of this machine",
        )
    elif days < _SOON_DAYS:
        chart.note(
            "certificate",
            f"it ends in {days} days, on {tls.not_after}",
            "have it renewed: no run gets through once it has ended",
        )
    else:
        chart.ok("certificate", f"it ends in {days} days, on {tls.not_after}")


def _seconds(written: str) -> float | None:
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        return None


def _written(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
