"""Messages that leave the mailbox between its listing and their RETR."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from stage_helpers import Listener, box, desk

from archiver.ledger.seen import Counts
from infra.faulty_pop3 import FaultyPop3

MESSAGES = box("one", "two", "three")


@dataclass
class Remover(Listener):
    """Takes message 2 off the server's list as soon as it is heard to be refused."""

    server: FaultyPop3 | None = None
    heard: list[str] = field(default_factory=list)

    def note(self, account: str, text: str) -> None:
        """Hears the refusal before the stage looks at the list again."""
        super().note(account, text)
        if self.server is not None and "refused" in text:
            listing = b"+OK\r\n1 50\r\n3 50\r\n.\r\n"
            self.server.faults = replace(self.server.faults, replies={"LIST": listing})


def test_refused_and_no_longer_listed(tmp_path: Path) -> None:
    """A refused message that the server lists no more has vanished and is no failure."""
    with desk(tmp_path, MESSAGES, refuse={2: "no such message"}) as it:
        it.listener = Remover(server=it.server)
        assert it.run() == Counts(listed=3, fetched=2, vanished=1)
        stages = dict(it.ledger.rows("SELECT uidl, stage FROM messages"))
        assert stages["uidl-two"] == "vanished"
        assert it.ledger.value("SELECT count(*) FROM messages WHERE problem <> 'none'") == 0


def test_refused_and_still_listed(tmp_path: Path) -> None:
    """A refused message that the server still lists has failed, with the server's words."""
    with desk(tmp_path, MESSAGES, refuse={2: "disk error"}) as it:
        assert it.run() == Counts(listed=3, fetched=2, failed=1)
        reason = it.ledger.value("SELECT reason FROM messages WHERE problem = 'failed'")
        assert "disk error" in reason
