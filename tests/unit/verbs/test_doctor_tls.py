"""What the doctor says about TLS and certificates, whether a run would trust them or not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from doctor_helpers import MAIL, about, account, last, problems

from archiver.verbs.doctor.findings import Examination, Mark
from archiver.verbs.doctor.mailbox import examine_mailbox
from infra.faulty_pop3 import FaultyPop3

NOW = datetime.now(UTC)
Look = Callable[..., Examination]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Examines a server whose certificate is made as told."""

    def examine(
        *names: str,
        begins: float = -30,
        ends: float = 300,
        later: float = 0,
        ca_file: bool = True,
        faults: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Examination:
        authority = trustme.CA()
        made = authority.issue_cert(
            *(names or ("127.0.0.1",)),
            not_before=NOW + timedelta(days=begins),
            not_after=NOW + timedelta(days=ends),
        )
        made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        file = str(tmp_path / "server.pem")
        settings = {"security": "tls", **settings}
        implicit = settings["security"] == "tls"
        with FaultyPop3(
            MAIL, certificate_file=file, implicit_tls=implicit, **(faults or {})
        ) as server:
            me = account(tmp_path, server.port, **settings)
            me = replace(me, ca_file=str(tmp_path / "ca.pem") if ca_file else None)
            now = (NOW + timedelta(days=later)).timestamp()
            found = examine_mailbox(me, tmp_path / "state", now)
            secrets = [one for one in server.commands if one.startswith(("AUTH", "PASS"))]
        assert bool(secrets) == bool(found.facts["mechanism"])
        return found

    return examine


@pytest.mark.parametrize("security", ["tls", "stls"])
def test_a_good_certificate(security: str, look: Look) -> None:
    """Version, cipher, names, dates and fingerprint are shown, and all is well."""
    found = look(security=security)
    assert [one.mark for one in found.findings] == [Mark.OK] * len(found.findings)
    tls = found.facts["tls"]
    assert tls["version"] == "TLS 1.3"
    assert tls["names"] == ("127.0.0.1",)
    assert tls["verified_by"] == "authorities"
    assert f"SHA-256 {tls['fingerprint']}" in [one.seen for one in about(found, "certificate")]
    assert "it ends in 299 days" in last(found, "certificate").seen


def test_a_certificate_that_ends_soon(look: Look) -> None:
    """Two weeks before its end a certificate is worth a note."""
    assert last(look(ends=14.5), "certificate").mark is Mark.OK
    found = last(look(ends=9.5), "certificate")
    assert (found.mark, "ends in 9 days" in found.seen) == (Mark.NOTE, True)


def test_a_certificate_that_ended(look: Look) -> None:
    """A certificate that ended is a problem, shown all the same, and no secret is sent."""
    found = look(ends=-2.5)
    assert (problems(found), found.exit_code) == (["connection"], 5)
    assert "not trusted" in last(found, "tls").seen
    assert last(found, "certificate").seen.startswith("it ended on")
    assert found.facts["tls"]["verified_by"] == ""
    assert found.facts["capabilities_before"]


def test_a_certificate_of_the_future(look: Look) -> None:
    """A certificate that is not valid yet makes one look at the clock."""
    found = look(begins=2, later=0)
    assert "our clock says" in last(found, "certificate").seen
    assert "set the clock" in last(found, "certificate").advice
    assert found.exit_code == 5


@pytest.mark.parametrize("security", ["tls", "stls"])
def test_a_certificate_of_nobody_we_trust(security: str, look: Look) -> None:
    """An unknown authority is a problem, and the certificate is shown for who wants to pin it."""
    found = look(ca_file=False, security=security)
    assert problems(found) == ["connection"]
    assert found.facts["tls"]["fingerprint"]
    assert found.facts["capabilities_before"]


def test_a_certificate_of_another_name(look: Look) -> None:
    """A certificate for another host shows for which."""
    found = look("pop.example.com")
    assert problems(found) == ["connection"]
    assert found.facts["tls"]["names"] == ("pop.example.com",)


def test_a_pin_that_does_not_fit(look: Look) -> None:
    """Another certificate than the pinned one is shown, and no secret is sent."""
    found = look(tls_fingerprint="ab" * 32)
    assert problems(found) == ["connection"]
    assert found.facts["tls"]["fingerprint"] in last(found, "connection").seen


def test_a_server_that_breaks_when_looked_at(look: Look) -> None:
    """Where even a look comes to nothing the problem itself is what is said."""
    found = look(ca_file=False, faults={"greeting": b"-ERR go away\r\n"})
    assert [one.topic for one in found.findings] == ["name", "connection"]


def test_no_tls_where_it_is_offered(look: Look) -> None:
    """Who goes without TLS is told that the server has it."""
    found = look(security="plain")
    assert "STLS" in last(found, "tls").advice
    assert found.exit_code == 0


def test_no_tls_on_this_port(look: Look, tmp_path: Path) -> None:
    """TLS against a port in clear is one problem with its hint."""
    with FaultyPop3(MAIL) as server:
        me = account(tmp_path, server.port, security="tls")
        found = examine_mailbox(me, tmp_path / "state", NOW.timestamp())
    assert problems(found) == ["connection"]
    assert "STLS" in last(found, "connection").advice
