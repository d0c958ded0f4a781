"""The fuzzing itself: that its connection is like a real one, and that it sees what is wrong."""

import json
import socket
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from archiver.errors import LoginRefused, SessionLost
from archiver.pop3 import Security
from archiver.pop3.protocol import Protocol
from archiver.pop3.transport import Transport
from infra.fuzz import Finding, by_hypothesis, pop3, seeds, values
from infra.fuzz.counted import Counted
from infra.fuzz.discretion import require_discretion
from infra.fuzz.pieces import CUT, MANY, MOST_OCTETS, Script, expand
from infra.fuzz.plan import HEAD, PASSWORD, TOKEN, WAYS, Flag, Plan
from infra.fuzz.targets import TARGETS
from infra.fuzz.wire import Wire
from infra.traces import traces

SEEDS = list(seeds.seeds())
SIGNED_IN = Plan(auth="user").write() + CUT.join(
    (b"+OK\r\n", b"-ERR\r\n", b"+OK\r\n", b"+OK\r\n", b"+OK 1 9\r\n")
)
LONG = (b"+OK\r\n1 a\r\n.\r\n", b"+OK\r\n1 9\r\n.\r\n", b"+OK\r\nx\r\n.\r\n", b"+OK\r\n")


class Fed(Transport):
    """A real connection over loopback; its server says the next piece when it is read from."""

    def __init__(self, plan: Plan, script: Script) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            self._far, _ = listener.accept()
        super().__init__(plan.server, plan.limits, near)
        self._script = script
        self._left = b""

    def read(self, *, bulk: bool = False) -> bytes:
        self._left = self._left or self._script.say()
        if self._left:
            self._left = self._left[self._far.send(self._left) :]
        else:
            self._far.shutdown(socket.SHUT_WR)
        return super().read(bulk=bulk)

    def write(self, octets: bytes) -> None:
        super().write(octets)
        self._script.hear(octets)

    def close(self) -> None:
        super().close()
        self._far.close()


@pytest.mark.parametrize("seed", range(0, len(SEEDS), 3))
def test_like_a_real_connection(seed: int) -> None:
    """The same octets have the same outcome over a real socket."""
    octets = SEEDS[seed]
    head = Plan.read(octets[:HEAD])
    # What TLS does to a socket is no business of this stand-in.
    plan = replace(head, security=Security.PLAIN, flags=head.flags | Flag.LOCAL)
    seen = [pop3.over(plan, kind(plan, Script(octets[HEAD:], PASSWORD))) for kind in (Wire, Fed)]
    assert [one.steps for one in seen] == [seen[0].steps] * 2
    assert [one.transcript for one in seen] == [seen[0].transcript] * 2
    assert [str(one.error) for one in seen] == [str(seen[0].error)] * 2


def test_whole_interface() -> None:
    """The stand-in answers for itself whatever a real connection can be asked."""
    public = {name for name in vars(Transport) if not name.startswith("_")} - {"connect"}
    assert public <= vars(Wire).keys()


def test_a_closed_connection() -> None:
    """Nothing passes once it is closed, and only a plan without TLS has none."""
    wire = Wire(Plan(security=Security.STLS), Script(b"+OK\r\n", PASSWORD))
    before = wire.secured
    wire.secure()
    assert (before, wire.secured) == (False, True)
    wire.close()
    for use in (wire.read, lambda: wire.write(b"NOOP\r\n")):
        with pytest.raises(SessionLost):
            use()


@pytest.mark.parametrize("seed", SEEDS[::10])
def test_plans_are_read_as_written(seed: bytes) -> None:
    """A plan has the octets that it was read from, and every octet stands for one."""
    assert Plan.read(seed[:HEAD]).write() == seed[:HEAD]
    assert Plan.read(bytes(range(0xF8, 0x100))).actions
    assert Plan.read(b"").commands == 1


def test_pieces() -> None:
    """Pieces come in order, repeated ones up to their bound, and none is empty."""
    assert list(expand(b"a" + CUT + CUT + b"b")) == [b"a", b"b"]
    assert list(expand(MANY + b"\0xy")) == [b"xy" * 64]
    assert sum(map(len, expand((MANY + b"\xff" + b"x" * 20 + CUT) * 9))) <= MOST_OCTETS
    assert list(expand(MANY + CUT + MANY + b"\1")) == []


def test_most_seeds_sign_in() -> None:
    """A fuzzer that begins with the seeds is past signing in by every way."""
    steps = {step for seed in SEEDS for step in pop3.session(seed).steps}
    ways = {step.rpartition(" ")[2] for step in steps if step.startswith("signed in by")}
    assert ways == {auth for auth in WAYS if auth != "auto"}
    assert "quit_ bye" in steps


@pytest.mark.parametrize(
    ("name", "replacement", "found"),
    [
        ("archiver.pop3.protocol.HELD_OCTETS", 1 << 30, "octets were held"),
        ("archiver.pop3.protocol.STATUS_LIMIT", 1 << 30, "octets were held|looked at"),
        ("archiver.pop3.protocol.LINE_LIMIT", 1 << 30, "octets were held|looked at"),
        ("archiver.pop3.session._MOST_CAPABILITIES", None, "unsupported operand"),
    ],
)
def test_what_is_wrong_is_found(
    name: str, replacement: object, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A buffer without a bound and an error of another kind are found from the seeds."""
    monkeypatch.setattr(name, replacement)
    with pytest.raises((Finding, TypeError), match=found):
        for seed in SEEDS:
            pop3.session(seed)


def test_too_much_work_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that searches all it holds with every octet is found."""
    feed = Protocol.feed

    def forgetful(protocol: Protocol, octets: bytes) -> None:
        feed(protocol, octets)
        protocol._seen = protocol._at

    monkeypatch.setattr(Protocol, "feed", forgetful)
    drip = CUT.join(LONG[:2] + (b"+OK\r\n" + CUT + MANY + b"\xffxyz",) + (CUT + b"y",) * 3000)
    with pytest.raises(Finding, match="looked at"):
        pop3.session(SIGNED_IN + CUT + drip)


@pytest.mark.parametrize("where", ["repeated_in", "keep"])
def test_a_secret_that_is_shown_is_found(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not look whether a server repeats a secret is found from the seeds."""
    answers: dict[str, Callable[..., object]] = {
        "repeated_in": lambda *_: False,
        "keep": lambda *_: None,
    }
    monkeypatch.setattr(f"archiver.pop3.confidences.Confidences.{where}", answers[where])
    with pytest.raises(Finding, match="is shown"):
        for seed in SEEDS:
            pop3.session(seed)


@pytest.mark.parametrize(
    ("verb", "told"),
    [("AUTH PLAIN", "AHVzZXIAcGFzc3dvcmQgcGFzc3dvcmQ="), ("PASS", "pass word pass word")],
)
def test_what_was_said_is_looked_for(verb: str, told: str) -> None:
    """What a client sent is no more to be shown than the password itself, nor a part of it."""
    said = f"{verb} {told}\r\n".encode()
    for lines in ([told], [f"what? {told[:17]}"]):
        with pytest.raises(Finding):
            require_discretion(said, [], lines)
    require_discretion(said, ["+OK"], ["the login was refused"])


def test_work_is_counted() -> None:
    """Searching, copying and adding count the octets that they go over."""
    counted = Counted()
    counted += b"0123456789"
    assert (counted.looked, counted.held) == (10, 0)
    assert counted.find(b"4") == 4
    assert counted.rfind(b"7") == 7
    assert counted.find(b"x", 8) == -1
    assert bytes(counted[2:5]) == b"234"
    assert counted.looked == 10 + 4 + 3 + 2 + 3
    counted += b"x"
    assert counted.held == 10
    assert counted[0] == ord("0")


@pytest.mark.parametrize("secret", ["correct hörse, = battery", TOKEN, "a/b+c?d&e"])
def test_traces(secret: str) -> None:
    """A secret is found in each of its forms, wherever it stands in them."""
    octets = secret.encode()
    forms = [octets, octets.hex().encode(), quote(secret).encode(), json.dumps(secret).encode()]
    forms += [b64encode(b"\0" * ahead + octets + b"\1") for ahead in range(7)]
    forms.append(urlencode({"password": secret}).encode())
    found = traces(secret)
    assert all(any(trace in form for trace in found) for form in forms)
    assert min(map(len, found)) > 8


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_begins(name: str) -> None:
    """Every target takes its own seeds and each of its words."""
    target = TARGETS[name]
    given = [*target.seeds(), *target.words, b"".join(target.words), b""]
    for octets in given:
        target.run(octets)


def test_without_atheris(tmp_path: Path) -> None:
    """Hypothesis fuzzes for the time given, and keeps what it finds."""
    assert by_hypothesis.fuzz("urls", 0, tmp_path) == 0


def test_what_hypothesis_finds_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input of a finding is written to the corpus."""

    def refuse(octets: bytes) -> None:
        if octets:
            raise LoginRefused("found")

    monkeypatch.setitem(
        TARGETS, "urls", type(TARGETS["urls"])(refuse, values.addresses, values.URL)
    )
    with pytest.raises(LoginRefused):
        by_hypothesis.fuzz("urls", 5, tmp_path)
    assert (tmp_path / "found").read_bytes()
