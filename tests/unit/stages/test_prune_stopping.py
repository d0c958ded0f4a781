"""A deletion that is asked to end while its server says nothing: what is not archived stays."""

from dataclasses import replace
from pathlib import Path

import pytest
from prune_helpers import Deleting, archived, left, stages
from stage_helpers import AtSilence, box

from archiver.errors import Interrupted
from archiver.stopping import Stop
from infra.faulty_pop3 import Faults

MAIL = box("a", "b", "c")


def test_silent_at_every_command(tmp_path: Path) -> None:
    """Whichever command is not answered, nothing is lost and the next run goes on."""
    (tmp_path / "whole").mkdir()
    with archived(tmp_path / "whole", MAIL) as it:
        session = it.server.sessions
        Deleting(it).go()
        commands = it.server.traffic[session].commands
    for last in range(1, commands + 1):
        directory = tmp_path / str(last)
        directory.mkdir()
        with archived(directory, MAIL) as it:
            silent = [*([None] * it.server.sessions), last]
            it.server.faults = replace(it.server.faults, silent_at=silent)
            it.stop = AtSilence(it.server, len(it.server.commands) + last)
            with pytest.raises(Interrupted):
                Deleting(it).go()
            # RFC 1939 section 6: only QUIT deletes, and it was heard and not carried out.
            assert left(it) == [octets for _, octets in MAIL]
            sent = set(stages(it).values())
            assert sent == ({"delete_sent"} if last == commands else {"archived"})
            it.server.faults, it.stop = Faults(), Stop()
            it.run()
            Deleting(it).go()
            assert left(it) == []
            assert set(stages(it).values()) == {"gone"}
