"""``archiver show`` as tests run it: in this process, or at a terminal."""

import io
import os
import pty
import select
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from command import Archiver, Done, one_clear_line

from archiver.cli.app import main


class Show:
    """``archiver show`` with one state directory, and nothing that says where the store is."""

    def __init__(self, home: Path, environment: dict[str, str] | None = None) -> None:
        self.archiver = Archiver(home, environment)

    def __call__(self, *arguments: object, code: int = 0) -> tuple[bytes, str]:
        """What comes on stdout and stderr; run in this process, which is quicker to begin."""
        command = ["archiver", "show", *map(str, arguments), "--state", "s"]
        stdout, stderr = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        surroundings = {"HOME": str(self.archiver.home), **self.archiver.environment}
        with (
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            chdir(self.archiver.home),
            patch.dict(os.environ, surroundings),
            patch.object(sys, "argv", command),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        assert int(ended.value.code or 0) == code, (ended.value.code, stderr.getvalue())
        stdout.flush()
        return stdout.buffer.getvalue(), stderr.getvalue()

    def octets(self, *arguments: object) -> bytes:
        """What comes on stdout."""
        return self(*arguments)[0]

    def text(self, *arguments: object) -> str:
        """The same as text."""
        return self.octets(*arguments).decode()

    def wrong(self, code: int, *arguments: object) -> str:
        """The one line of what went wrong, with nothing on stdout."""
        stdout, stderr = self(*arguments, code=code)
        assert not stdout
        return one_clear_line(Done(code, "", stderr))

    def at_terminal(self, *arguments: object, **environment: str) -> tuple[int, str]:
        """How it ends at a terminal of 60 columns and 20 lines, and all that comes there."""
        ours, theirs = pty.openpty()
        given = {**os.environ, "COLUMNS": "60", "LINES": "20", **environment}
        given = {**given, **self.archiver.environment}
        command = [sys.executable, "-m", "archiver", "show", *map(str, arguments), "--state", "s"]
        process = subprocess.Popen(
            command, cwd=self.archiver.home, env=given, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown, deadline = b"", time.monotonic() + 60
        while select.select([ours], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        os.close(ours)
        return process.wait(30), shown.decode("utf-8", "replace").replace("\r\n", "\n")
