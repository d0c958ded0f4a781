"""What is measured: the stages alone, a whole run, a run with nothing to do, and peers.

The stages of a round build on each other (``upload`` has what ``fetch`` brought); ``run`` begins
anew in a state and a prefix of its own. Rounds follow each other, so that whatever else the
machine does falls on all of them alike.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.bench.measure import CommandFailed
from infra.ceph import Ceph

USER = "bench"
PASSWORD = "bench-password"  # noqa: S105  (it opens a mailbox that dies with the bench)
BUCKET = "bench"
_PASSWORD_VARIABLE = "BENCH_PASSWORD"  # noqa: S105  (a variable's name)
_STAGES = ("fetch", "upload", "verify", "index")


@dataclass(frozen=True, slots=True)
class Step:
    """One measured command; ``whole`` says that its output must account for every message."""

    name: str
    command: tuple[str, ...]
    whole: bool = False


def environment(ceph: Ceph) -> Mapping[str, str]:
    """What the archiver needs to reach the store and to log in."""
    return {
        "AWS_ENDPOINT_URL": ceph.endpoint_url,
        "AWS_ACCESS_KEY_ID": ceph.access_key,
        "AWS_SECRET_ACCESS_KEY": ceph.secret_key,
        "AWS_DEFAULT_REGION": ceph.region,
        _PASSWORD_VARIABLE: PASSWORD,
    }


def steps(directory: Path, number: int, port: int) -> Iterator[Step]:
    """The steps of round ``number``, in order, with their own files in ``directory``.

    Args:
        directory: an empty one for this round.
        number: of the round.
        port: where the mailbox is served, without TLS.
    """
    staged = _options(port, directory / "staged", f"staged-{number}")
    for stage in _STAGES:
        yield Step(stage, (*_archiver(), stage, *staged))
    whole = _options(port, directory / "whole", f"whole-{number}")
    yield Step("run", (*_archiver(), "run", *whole), whole=True)
    yield Step("run, nothing new", (*_archiver(), "run", *whole))
    yield Step("fetch one by one", (*_archiver(), "fetch", *_one_by_one(port, directory)))
    if shutil.which("mpop"):
        yield Step("fetch by mpop", _mpop(directory, port))


def check_whole(output: str, count: int) -> None:
    """Makes sure that a run did what its time is taken for.

    Raises:
        CommandFailed: its last line does not say that all ``count`` messages were archived.
    """
    report = json.loads(output.splitlines()[-1])
    if report["archived"] != count:
        raise CommandFailed(f"of {count} messages {report['archived']} were archived: {report}")


def _archiver() -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("archiver")),)


def _options(port: int, state: Path, prefix: str) -> tuple[str, ...]:
    server = f"pop3+plain://{USER}@127.0.0.1:{port}"
    store = f"s3://{BUCKET}/{prefix}"
    return (
        *("--server", server, "--store", store, "--state", str(state)),
        *("--password-env", _PASSWORD_VARIABLE, "--json"),
    )


def _one_by_one(port: int, directory: Path) -> tuple[str, ...]:
    settings = directory / "one-by-one.toml"
    settings.write_text(
        f'state = "one-by-one"\n[store]\nurl = "s3://{BUCKET}/one-by-one"\n[accounts.bench]\n'
        f'server = "pop3+plain://{USER}@127.0.0.1:{port}"\n'
        f'password_env = "{_PASSWORD_VARIABLE}"\npipelining = "never"\n'
    )
    return ("--config", str(settings), "--json")


def _mpop(directory: Path, port: int) -> tuple[str, ...]:
    maildir = directory / "maildir"
    for name in ("tmp", "new", "cur"):
        (maildir / name).mkdir(parents=True)
    return (
        *("mpop", "--host=127.0.0.1", f"--port={port}", f"--user={USER}", "--auth=user"),
        *(f"--passwordeval=printenv {_PASSWORD_VARIABLE}", "--tls=off", "--keep=on", "--quiet"),
        *(f"--delivery=maildir,{maildir}", f"--uidls-file={directory / 'uidls'}"),
        *("--pipelining=on", "--received-header=off"),
    )
