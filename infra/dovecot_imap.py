"""The same Dovecot with IMAP beside POP3, and with what IMAP servers differ in.

Mail lies in maildirs there too, so what IMAP shows has CRLF wherever a line ends.
"""

from functools import partial
from pathlib import Path
from typing import Self

from infra import process
from infra.dovecot import Dovecot

_MODULE = Path("/usr/lib/dovecot/imap")

_CONFIG = """
protocols = pop3 imap
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  process_limit = 2
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""
_CAPABILITY = """
imap_capability = {capability}
"""
_QUOTA = """
mail_plugins = $mail_plugins quota
protocol imap {{
  mail_plugins = $mail_plugins imap_quota
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage={quota}B
  quota_grace = 0
  quota_max_mail_size = {largest}B
}}
"""


class DovecotImap(Dovecot):
    """A server of POP3 and IMAP as a context manager.

    Args:
        directory: an existing directory for its configuration, certificate and log.
        capability: what it advertises after the sign-in, in place of what it can do; with a ``+``
            in front of it, beside that.
        separator: between the names of folders.
        prefix: what the names of one's own folders begin with.
        quota: how many octets a user may have; 0 for any number.
        largest: how many octets a message may have; 0 for any number.
        every_sign_in, introspection_url: as for ``Dovecot``.

    ``imap_port`` speaks IMAP and STARTTLS, ``imaps_port`` IMAP over TLS.
    """

    def __init__(
        self,
        directory: Path,
        *,
        capability: str = "",
        separator: str = "/",
        prefix: str = "",
        quota: int = 0,
        largest: int = 0,
        every_sign_in: bool = False,
        introspection_url: str | None = None,
    ) -> None:
        """Chooses free ports; nothing runs yet."""
        super().__init__(
            directory, every_sign_in=every_sign_in, introspection_url=introspection_url
        )
        self._capability = capability
        self._separator = separator
        self._prefix = prefix
        self._quota = quota
        self._largest = largest
        self.imap_port, self.imaps_port = process.free_ports(2)

    def __enter__(self) -> Self:
        """Starts the server and waits until every port answers."""
        if not _MODULE.exists():
            raise process.ServerMissing(
                "Dovecot IMAP", "it is not installed (Debian package dovecot-imapd)"
            )
        super().__enter__()
        try:
            for port in (self.imap_port, self.imaps_port):
                ready = partial(process.answers, port)
                process.wait_until(ready, "Dovecot IMAP", self._process, self.log_file)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _more(self) -> str:
        config = _CONFIG.format(
            separator=self._separator,
            prefix=self._prefix,
            port=self.imap_port,
            tls_port=self.imaps_port,
        )
        if self._capability:
            config += _CAPABILITY.format(capability=self._capability)
        if self._quota or self._largest:
            config += _QUOTA.format(quota=self._quota, largest=self._largest)
        return config
