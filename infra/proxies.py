"""Real proxies on loopback: microsocks and Dante (SOCKS5), tinyproxy (HTTP CONNECT).

They run in one root of their own, where names mean what a test says: a name that no other place
knows is one that only a proxy can have looked up.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from infra import keeper, process
from infra.chroot import Chroot

_TINYPROXY = """\
Listen 127.0.0.1
Port {port}
Timeout 600
MaxClients 50
Allow 127.0.0.1
"""
_DANTE = """\
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: lo
socksmethod: {method}
user.privileged: root
user.unprivileged: {user}
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
{rules}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
"""
_DANTE_BLOCK = "socks block {{ from: 0.0.0.0/0 to: 0.0.0.0/0 port = {port} }}"
_DANTE_USER = "dante"


class Proxies:
    """The proxies as a context manager; each method starts one, which ends with it.

    Args:
        directory: an existing directory for their root and logs.
        hosts: what names mean to them, as addresses.

    Raises:
        ServerMissing: on entering, where they cannot be had on this machine.
    """

    def __init__(self, directory: Path, hosts: Mapping[str, str]) -> None:
        """Nothing runs yet."""
        self._directory = directory
        self._hosts = "".join(f"{address} {name}\n" for name, address in hosts.items())
        self._users: set[str] = set()

    def __enter__(self) -> Self:
        """Makes the root."""
        self._root = Chroot("proxies", self._directory / "root")
        self._root.write("etc/hosts", f"127.0.0.1 localhost\n{self._hosts}")
        names = "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"
        self._root.write("etc/nsswitch.conf", names)
        self._root.add_account(_DANTE_USER)
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the proxies and removes their root; the logs stay."""
        self._stack.close()
        self._root.remove()

    def microsocks(self, user: str = "", password: str = "") -> int:
        """The port of a SOCKS5 proxy, for everybody or for one user."""
        (port,) = process.free_ports(1)
        login = ["-u", user, "-P", password] if user else []
        self._start("microsocks", port, ["-i", "127.0.0.1", "-p", str(port), *login])
        return port

    def dante(self, user: str = "", password: str = "", *, blocked: Sequence[int] = ()) -> int:
        """The port of a SOCKS5 proxy with rules: it connects to no port that is blocked."""
        (port,) = process.free_ports(1)
        if user and user not in self._users:
            self._users.add(user)
            self._root.add_account(user, password)
        method = "username" if user else "none"
        rules = "\n".join(_DANTE_BLOCK.format(port=one) for one in blocked)
        settings = _DANTE.format(port=port, method=method, user=_DANTE_USER, rules=rules)
        self._root.write(f"etc/danted-{port}.conf", settings)
        self._start("danted", port, ["-f", f"/etc/danted-{port}.conf"])
        return port

    def tinyproxy(self, user: str = "", password: str = "", *, allowed: Sequence[int] = ()) -> int:
        """The port of an HTTP proxy, which connects to the allowed ports, or to any."""
        (port,) = process.free_ports(1)
        login = f"BasicAuth {user} {password}\n" if user else ""
        ports = "".join(f"ConnectPort {one}\n" for one in allowed)
        self._root.write(f"etc/tinyproxy-{port}.conf", _TINYPROXY.format(port=port) + login + ports)
        self._start("tinyproxy", port, ["-d", "-c", f"/etc/tinyproxy-{port}.conf"])
        return port

    def _start(self, program: str, port: int, arguments: Sequence[str]) -> None:
        output = self._directory / f"{program}-{port}.log"
        # Dante splits into many processes.
        server = keeper.start(self._root.command(program, *arguments), output)
        self._stack.callback(keeper.stop, server)
        process.wait_until(partial(process.answers, port), program, server, output)
