"""The doctor at every real server: what it finds is what that server is known for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.config import AccountSettings, PasswordSource, ProxyUrl, ServerUrl
from archiver.verbs.doctor.findings import Examination, Mark
from archiver.verbs.doctor.mailbox import examine_mailbox
from infra.faulty_pop3 import FaultyPop3
from infra.fixtures import PopMailbox, PopServer
from infra.proxies import Proxies

NOW = 1_795_000_000.0
MAIL = [b"Received: x\nMessage-ID: <%d@x>\nSubject: %d\n\nhello %d\n" % (n, n, n) for n in range(4)]
SERVERS = [
    "dovecot",
    "courier",
    "cyrus",
    "popa3d",
    "solid_pop3d",
    "solid_pop3d_mbox",
    "mailutils",
    "mailutils_mbox",
]
# They have no CAPA, so that nothing is advertised.
SILENT = frozenset({"popa3d", "solid_pop3d", "solid_pop3d_mbox"})
# It writes UIDLs of its own into the mail as soon as somebody asks for them.
WRITING = frozenset({"mailutils", "mailutils_mbox"})


def examined(place: Path, box: PopMailbox) -> Examination:
    """What is found about a mailbox."""
    file = place / "password"
    file.write_text(box.password)
    server = ServerUrl("127.0.0.1", box.server.port, box.user, "plain")
    account = AccountSettings("me", server, password=PasswordSource(file=str(file)))
    return examine_mailbox(account, place / "state", NOW)


@pytest.mark.parametrize("name", SERVERS)
def test_real_servers(
    name: str,
    request: pytest.FixtureRequest,
    mailbox_on: Callable[[PopServer], PopMailbox],
    tmp_path: Path,
) -> None:
    """Every step is made at every server, and the mailbox stays as it was."""
    box = mailbox_on(request.getfixturevalue(name))
    box.add(MAIL)
    before = box.left()
    found = examined(tmp_path, box)
    assert [one for one in found.findings if one.mark is Mark.PROBLEM] == []
    facts = found.facts
    assert facts["messages"] == len(MAIL)
    assert facts["uidl_works"] and facts["uidl_complete"]
    # popa3d gives different messages one UIDL.
    assert facts["uidl_unique"] is (name != "popa3d")
    assert facts["top_works"] and facts["sizes_exact"] and facts["pipelining_works"]
    assert facts["pipelining_advertised"] is (name not in SILENT)
    assert bool(facts["capabilities_before"]) is (name not in SILENT)
    if name not in WRITING:
        assert box.left() == before
    assert examined(tmp_path, box).facts["messages"] == len(MAIL)


@pytest.mark.parametrize("name", SERVERS)
def test_empty_mailboxes(
    name: str,
    request: pytest.FixtureRequest,
    mailbox_on: Callable[[PopServer], PopMailbox],
    tmp_path: Path,
) -> None:
    """An empty mailbox is no fault anywhere."""
    found = examined(tmp_path, mailbox_on(request.getfixturevalue(name)))
    assert (found.exit_code, found.facts["messages"]) == (0, 0)


def test_courier_has_utf8(
    request: pytest.FixtureRequest,
    mailbox_on: Callable[[PopServer], PopMailbox],
    tmp_path: Path,
) -> None:
    """UTF8 mode, where it is advertised, is switched on and not just believed."""
    facts = examined(tmp_path, mailbox_on(request.getfixturevalue("courier"))).facts
    assert (facts["utf8"], facts["login_delay"]) == (True, 10)


def test_through_a_proxy(proxies: Proxies, tmp_path: Path) -> None:
    """Behind a proxy, which alone knows the server's name, all is examined as without one."""
    file = tmp_path / "password"
    file.write_text("secret")
    with FaultyPop3([("u", MAIL[0].replace(b"\n", b"\r\n"))]) as server:
        account = AccountSettings(
            "me",
            ServerUrl("pop.example.test", server.port, "user", "plain"),
            password=PasswordSource(file=str(file)),
            cleartext_password=True,
            proxy=ProxyUrl("socks5", "127.0.0.1", proxies.microsocks()),
        )
        found = examine_mailbox(account, tmp_path / "state", NOW)
    assert (found.exit_code, found.facts["messages"]) == (0, 1)
    assert found.facts["addresses"] is None
    assert "by the proxy 127.0.0.1" in found.findings[0].seen
