"""What a server says it can do (CAPA, RFC 2449), read as leniently as servers write it.

Gmail advertises TOP and PIPELINING only after login, and STLS changes the list, so an answer holds
for the moment in which it was given.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# mailutils leaves out the space; NEVER says no more than silence does.
_EXPIRE = re.compile(r"EXPIRE ?(\d{1,9})(?: .*)?", re.ASCII)
_LOGIN_DELAY = re.compile(r"LOGIN-DELAY ?(\d{1,9})(?: .*)?", re.ASCII)

# A msg-id in printable ASCII and nothing else: with other octets, whoever sits between server and
# us could find out the password from digests of their choosing (CVE-2007-1558).
_TIME_STAMP = re.compile(r"<[!-;=?-~]*@[!-;=?-~]*>", re.ASCII)

RETIRING_MESSAGES = 300
RETIRING_OCTETS = 64 << 20
"""The most that is retrieved in a session whose QUIT retires it, and waits for its archiving."""

# Gmail does it by a setting of the mailbox, whatever it advertises.
_RETIRING_HOSTS = frozenset({"pop.gmail.com", "pop.googlemail.com"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One answer to CAPA.

    ``expire`` is the days that the server keeps what was retrieved: 0 means that QUIT may remove
    it, None that it never does or does not say. ``login_delay`` is the seconds it wants between
    logins. ``advertised`` is False where the server has no CAPA: then nothing is known, and trying
    is the only way to learn whether it has TOP or UIDL. ``lines`` are the answer as it stood.
    """

    top: bool = False
    uidl: bool = False
    user: bool = False
    pipelining: bool = False
    utf8: bool = False
    stls: bool = False
    sasl: frozenset[str] = frozenset()
    expire: int | None = None
    login_delay: int | None = None
    advertised: bool = False
    lines: tuple[str, ...] = ()


def read_capabilities(lines: Iterable[bytes]) -> Capabilities:
    """What these lines of an answer to CAPA say; a line that says nothing known is only kept."""
    kept = tuple(line.decode("ascii", "replace") for line in lines)
    upper = [" ".join(line.upper().split()) for line in kept]
    names = {line.partition(" ")[0] for line in upper}
    sasl = frozenset(
        word for line in upper if line.startswith("SASL ") for word in line.split()[1:]
    )
    return Capabilities(
        top="TOP" in names,
        uidl="UIDL" in names,
        user="USER" in names,
        pipelining="PIPELINING" in names,
        utf8="UTF8" in names,
        stls="STLS" in names,
        sasl=sasl,
        # A server that contradicts itself is taken at its strictest.
        expire=min(_numbers(_EXPIRE, upper), default=None),
        login_delay=max(_numbers(_LOGIN_DELAY, upper), default=None),
        advertised=True,
        lines=kept,
    )


def retires(host: str, capabilities: Capabilities) -> bool:
    """Whether QUIT may remove what was retrieved: EXPIRE 0 (RFC 2449 section 6.7), and Gmail."""
    return capabilities.expire == 0 or host in _RETIRING_HOSTS


def time_stamp(greeting: str) -> str:
    """The time stamp of a greeting, brackets included; nothing where the server has no APOP."""
    found = _TIME_STAMP.search(greeting)
    return found[0] if found else ""


def _numbers(pattern: re.Pattern[str], lines: list[str]) -> list[int]:
    matches = (pattern.fullmatch(line) for line in lines)
    return [int(match[1]) for match in matches if match]
