"""The command as a person runs it: a process of its own, in an environment of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.fixtures import Mailbox

PASSWORD = "MAIL_PASSWORD"
_SECONDS = 120
_PORTS = {"pop3s": "tls_port", "pop3": "port", "pop3+plain": "port"}


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The objects that ``--json`` printed, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        """The only object."""
        (only,) = self.records
        return only


class Archiver:
    """Runs ``archiver`` in a directory, with nothing of this machine's settings around it.

    Args:
        home: the working directory, also its HOME.
        environment: variables that every command gets; may be changed between commands.
    """

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.environment = dict(environment or {})

    def __call__(
        self, *arguments: object, code: int = 0, environment: Mapping[str, str] | None = None
    ) -> Done:
        """Runs a command to its end, which must be with this exit code."""
        process = self.start(*arguments, environment=environment)
        try:
            stdout, stderr = process.communicate(timeout=_SECONDS)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        done = Done(process.returncode, stdout, stderr)
        assert done.code == code, f"exit {done.code} for {arguments}:\n{stderr}\n{stdout}"
        return done

    def start(
        self,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Starts a command, which the caller ends."""
        return subprocess.Popen(
            # Tests that were started in the background ignore interrupts; a command must not.
            ["env", "--default-signal", sys.executable, "-m", "archiver", *map(str, arguments)],
            cwd=self.home,
            env=self._surroundings(environment or {}),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            # As at a terminal, its processes are a group of their own.
            start_new_session=True,
        )

    def kill_after(self, seconds: float, *arguments: object) -> None:
        """Starts a command and kills it when this time has passed, unless it ended well before."""
        process = self.start(*arguments)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        _, stderr = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), stderr

    def _surroundings(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.environment,
            **environment,
        }


def source(mailbox: Mailbox, scheme: str = "pop3+plain") -> list[str]:
    """The options that name a mailbox; its password is to be in the variable ``PASSWORD``."""
    port = getattr(mailbox, _PORTS[scheme])
    options = ["--server", f"{scheme}://{quote(mailbox.user)}@127.0.0.1:{port}"]
    options += ["--password-env", PASSWORD]
    return options if scheme == "pop3+plain" else [*options, "--ca-file", str(mailbox.ca_file)]


def account_of(mailbox: Mailbox) -> str:
    """The account's id where no file names it."""
    return f"{mailbox.user}@127.0.0.1"


def one_clear_line(done: Done) -> str:
    """The line of what went wrong, which must be the only one of its kind, with no traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line.removeprefix("error: ")
