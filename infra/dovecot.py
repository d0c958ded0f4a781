"""A real Dovecot 2.3 with POP3 on loopback: plain with STLS on one port, implicit TLS on another.

Dovecot refuses to read mail as root, so mail lies in a directory of its own that ``nobody`` may
reach, whatever the permissions of the directory given; users, certificate and log are in that one.
It serves what a maildir holds with every LF as CRLF, and an octet-exact message otherwise.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Self

from infra import certificate, process

_MAIL_USER = "nobody"
# Later versions read another configuration.
_VERSION = "2.3."
_EPOCH = 1_700_000_000
_PER_SECOND = 1_000_000

_CONFIG = """
base_dir = {run}
state_dir = {run}/state
instance_name = {instance}
log_path = {log}
protocols = pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_chars =
auth_username_format = %u
auth_failure_delay = 0
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
mail_max_userip_connections = 0
mail_fsync = never
maildir_stat_dirs = no
default_client_limit = 2000
default_process_limit = 200
default_vsz_limit = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {users}/%u
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%u
}}
service auth {{
  user = root
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  service_count = 0
  process_min_avail = 1
  process_limit = 2
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
    ssl = yes
  }}
}}
service pop3 {{
  service_count = 0
}}
"""

# Appended, so that it adds to what stands above.
_BEARER = """
auth_mechanisms = $auth_mechanisms xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {settings}
}}
"""
_EVERY_SIGN_IN = """
auth_mechanisms = $auth_mechanisms cram-md5 scram-sha-1 scram-sha-256 apop external
ssl_ca = <{authority}
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=yes
}}
passdb {{
  driver = passwd-file
  master = yes
  args = scheme=PLAIN username_format=%u {masters}/%u
}}
"""
_INTROSPECTION = """
introspection_mode = post
introspection_url = {introspection_url}
username_attribute = username
active_attribute = active
active_value = true
"""


class Dovecot:
    """A POP3 server as a context manager.

    Args:
        directory: an existing directory for its configuration, certificate and log.
        introspection_url: who says whose an access token is (RFC 7662), with our credentials in
            the address; None where passwords alone let people in.
        every_sign_in: also CRAM-MD5, APOP, SCRAM, EXTERNAL with a certificate of ``certificate``
            (its common name is the user), and masters, who may open everybody's mailbox.

    ``port`` speaks POP3 and STLS, ``tls_port`` POP3 over TLS; ``ca_file`` is the authority to
    trust, ``log_file`` what Dovecot has to say.

    Raises:
        ServerMissing: on entering, where Dovecot is not installed, is no 2.3, or we are not root.
    """

    name = "Dovecot"
    stls = True

    def __init__(
        self,
        directory: Path,
        *,
        introspection_url: str | None = None,
        every_sign_in: bool = False,
    ) -> None:
        """Chooses free ports; nothing runs yet."""
        self.directory = directory
        self._introspection_url = introspection_url
        self._every_sign_in = every_sign_in
        self.log_file = directory / "dovecot.log"
        self.port, self.tls_port = process.free_ports(2)
        self._users = directory / "users"
        self._masters = directory / "masters"
        self._delivered = 0

    def __enter__(self) -> Self:
        """Starts the server and waits until both ports answer."""
        program = process.find("Dovecot", "dovecot", "dovecot-pop3d")
        if os.geteuid() != 0:
            raise process.ServerMissing("Dovecot", "only root can start it")
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        if not said.stdout.startswith(_VERSION):
            wanted = f"{_VERSION}x is needed, here is {said.stdout.strip()}"
            raise process.ServerMissing("Dovecot", wanted)
        self.ca_file = self._prepare()
        self._process = process.start(
            [program, "-F", "-c", str(self.directory / "dovecot.conf")],
            self.log_file,
        )
        try:
            for port in (self.port, self.tls_port):
                ready = partial(process.answers, port)
                process.wait_until(ready, "Dovecot", self._process, self.log_file)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stops the server and removes its mail; log and configuration stay."""
        process.stop(self._process)
        shutil.rmtree(self._private)

    def add_user(self, user: str, password: str, scheme: str = "PLAIN") -> None:
        """Lets ``user`` in with ``password``, to an empty mailbox; without colons or slashes.

        ``scheme`` is how Dovecot keeps the password: only ``PLAIN`` serves every mechanism.
        """
        stored = f"{{PLAIN}}{password}" if scheme == "PLAIN" else _hashed(password, scheme)
        # A file for each user: Dovecot looks for changes in one it knows only once a second.
        (self._users / user).write_text(f"{user}:{stored}::::::\n")
        for name in ("", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"):
            folder = self._mail / user / name
            folder.mkdir()
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)

    def add_master(self, user: str, password: str) -> None:
        """Lets ``user`` into everybody's mailbox with ``password``."""
        (self._masters / user).write_text(f"{user}:{{PLAIN}}{password}::::::\n")

    def add(self, user: str, messages: Iterable[bytes]) -> None:
        """Delivers messages in this order, each with exactly these octets on disk."""
        maildir = self._mail / user / "Maildir"
        for message in messages:
            seconds, fraction = divmod(self._delivered, _PER_SECOND)
            # Dovecot orders what is new by the time in its name.
            name = f"{_EPOCH + seconds}.M{fraction:06d}P1.localhost"
            self._delivered += 1
            (maildir / "tmp" / name).write_bytes(message)
            (maildir / "tmp" / name).rename(maildir / "new" / name)

    def left(self, user: str) -> list[bytes]:
        """The octets on disk of every message still in the mailbox, in order of delivery."""
        maildir = self._mail / user / "Maildir"
        files = [file for folder in ("new", "cur") for file in (maildir / folder).iterdir()]
        return [file.read_bytes() for file in sorted(files, key=lambda file: file.name)]

    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message that was added."""
        sent = re.sub(rb"(?<!\r)\n", b"\r\n", message)
        return sent if sent.endswith(b"\r\n") else sent + b"\r\n"

    def _prepare(self) -> Path:
        self._owner = pwd.getpwnam(_MAIL_USER)
        self._private = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self._private.chmod(0o755)
        self._mail = self._private / "mail"
        self._mail.mkdir()
        self._users.mkdir()
        self._masters.mkdir()
        files = certificate.issue(self.directory)
        config = _CONFIG.format(
            run=self._private / "run",
            instance=self._private.name,
            log=self.log_file,
            certificate=files.certificate_file,
            key=files.key_file,
            users=self._users,
            uid=self._owner.pw_uid,
            gid=self._owner.pw_gid,
            mail=self._mail,
            port=self.port,
            tls_port=self.tls_port,
        )
        added = self._bearer() + self._every(files) + self._more()
        (self.directory / "dovecot.conf").write_text(config + added)
        return files.ca_file

    def _more(self) -> str:
        """What a server that can do more adds to the configuration."""
        return ""

    def _bearer(self) -> str:
        if self._introspection_url is None:
            return ""
        settings = self.directory / "oauth2.conf"
        settings.write_text(_INTROSPECTION.format(introspection_url=self._introspection_url))
        return _BEARER.format(settings=settings)

    def _every(self, files: certificate.Certificate) -> str:
        if not self._every_sign_in:
            return ""
        return _EVERY_SIGN_IN.format(authority=files.ca_file, masters=self._masters)


def _hashed(password: str, scheme: str) -> str:
    said = subprocess.run(
        ["doveadm", "pw", "-s", scheme, "-p", password], capture_output=True, text=True, check=True
    )
    return said.stdout.strip()
