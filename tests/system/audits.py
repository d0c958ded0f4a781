"""An archive of a mailbox, and audits of it as a person runs them; no test of its own."""

from pathlib import Path
from typing import Any

from command import PASSWORD, Archiver, account_of, source
from vandal import Vandal

from infra.bench.mailbox import make_messages
from infra.fixtures import Mailbox

MADE = [message.replace(b"\r\n", b"\n") for message in make_messages(20, "mixed", seed=3)]
FIELDS = {"kind", "damage", "account", "key", "what", "means", "todo"}
SUMMARY = {
    "kind", "accounts", "manifests", "checkpoints", "objects", "moved", "unnamed", "read",
    "octets", "sample", "found", "damage", "heads", "keys", "repaired",
    "seconds",
}  # fmt: skip


class Audits:
    """An archive of a mailbox, and audits of it."""

    def __init__(self, mailbox: Mailbox, vandal: Vandal, home: Path) -> None:
        self.mailbox = mailbox
        self.vandal = vandal
        self.account = account_of(mailbox)
        self.run = Archiver(home, {PASSWORD: mailbox.password, **vandal.environment})
        self.options = ("--store", vandal.url, "--state", "s")

    def archive(self, *messages: bytes, options: tuple[str, ...] = ()) -> dict[str, Any]:
        """Delivers messages and archives them."""
        self.mailbox.add(messages)
        done = self.run("run", *source(self.mailbox), *self.options, *options, "--json")
        return done.record

    def audit(self, *options: object, code: int = 0) -> list[dict[str, Any]]:
        """What an audit says, which must end so; the summary comes last."""
        records = self.run("audit", *self.options, *options, "--json", code=code).records
        assert set(records[-1]) == SUMMARY
        findings = [one for one in records[:-1] if not one["kind"].endswith("repaired")]
        assert all(set(finding) >= FIELDS for finding in findings)
        found = [record for record in records[:-1] if record["damage"]]
        assert records[-1]["damage"] == len(found)
        assert (len(found) > (records[-1]["repaired"] or 0)) == (code == 7)
        return records

    def damage(self, *options: object) -> set[tuple[str, str]]:
        """The kinds and keys of what is damaged, of which there must be something."""
        records = self.audit(*options, code=7)
        return {(one["kind"], one["key"]) for one in records[:-1] if one["damage"]}
