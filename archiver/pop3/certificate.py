"""What a server's certificate says of itself (X.509, RFC 5280): the one place that reads one.

Nothing here decides whom to trust. It is read from DER, since Python tells what is in a certificate
only where authorities vouch for it, and one that is trusted by its fingerprint has none.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asn1crypto import x509

from archiver.pop3.transcript import readable

_LONGEST = 200
_MOST_NAMES = 100
_SHORT = {
    "common_name": "CN",
    "organization_name": "O",
    "organizational_unit_name": "OU",
    "locality_name": "L",
    "state_or_province_name": "ST",
    "country_name": "C",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """The fields that people ask for; empty where they cannot be read.

    Args:
        subject: whom it was made out to, such as ``CN=pop.example.com, O=Example``.
        issuer: who made it out.
        names: the hosts and addresses that it is good for; the first hundred.
        not_before: when it begins to be valid, RFC 3339 in UTC.
        not_after: when it ends.
    """

    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_before: str = ""
    not_after: str = ""


def read_certificate(der: bytes) -> Certificate:
    """What these octets say, whose words are the server's: nothing in them moves a cursor."""
    try:
        certificate = x509.Certificate.load(der)
        names = certificate.subject_alt_name_value
        return Certificate(
            subject=_name(certificate.subject),
            issuer=_name(certificate.issuer),
            names=tuple(_short(str(one.native)) for one in list(names or ())[:_MOST_NAMES]),
            not_before=_time(certificate.not_valid_before),
            not_after=_time(certificate.not_valid_after),
        )
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        # A server may be trusted by the digest of whatever it sends, a time that no calendar has
        # among it; and asn1crypto has no error of its own for what it cannot read.
        return Certificate()


def _name(name: Any) -> str:
    pairs = [(one["type"].native, one["value"].native) for rdn in name.chosen for one in rdn]
    return _short(", ".join(f"{_SHORT.get(kind, kind)}={value}" for kind, value in pairs))


def _short(text: str) -> str:
    return readable(text.encode("utf-8", "replace"))[:_LONGEST]


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
