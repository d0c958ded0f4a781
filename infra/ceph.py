"""A real Ceph 16 with its S3 gateway on loopback: one monitor, one OSD in memory, one gateway.

The gateway answers plain HTTP on one port and TLS on another. Two settings make it come up in
under two seconds: monitors propose every 50 ms instead of every second, and each pool has a single
placement group. Nothing outlives it.
"""

import json
import signal
import subprocess
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from infra import certificate, process

_CONFIG = """
[global]
fsid = {fsid}
mon_host = {monitor}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
auth_allow_insecure_global_id_reclaim = false
# Without keys nothing but unencrypted messages can be agreed on.
ms_mon_client_mode = crc
ms_cluster_mode = crc
ms_service_mode = crc
ms_client_mode = crc
run_dir = {directory}
admin_socket = {directory}/$name.asok
pid_file =
log_file = {directory}/$name.log
crash_dir = {directory}
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_max_pg_per_osd = 2000
mon_allow_pool_size_one = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_class_load_list = *
osd_class_default_list = *
[mon]
mon_data = {directory}/mon
mon_cluster_log_file = {directory}/cluster.log
[osd]
osd_data = {directory}/osd
osd_objectstore = memstore
memstore_device_bytes = {capacity}
[client.rgw]
rgw_frontends = {frontends}
rgw_dns_name = 127.0.0.1
rgw_thread_pool_size = 64
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
debug_rgw = 1
"""

_ACCESS_KEY = "CEPHTESTACCESS"
_SECRET_KEY = "ceph-test-secret-key"  # noqa: S105  (it opens a gateway that dies with the test)
_CAPACITY = 8 << 30
_DATA_POOL = "default.rgw.buckets.data"


class Ceph:
    """An S3 server as a context manager.

    Args:
        directory: an existing, empty directory for its configuration, logs and certificate. Its
            path must be short (under 80 characters), because sockets lie in it.

    ``endpoint_url`` is plain HTTP, ``tls_endpoint_url`` HTTPS under ``ca_file``; ``access_key``
    and ``secret_key`` belong to a user who may make buckets; ``region`` is what to sign for.
    SSE-KMS knows one key, ``kms_key``.

    Raises:
        ServerMissing: on entering, where a program of Ceph is not installed.
    """

    access_key = _ACCESS_KEY
    secret_key = _SECRET_KEY
    region = "default"
    kms_key = "testkey-1"

    def __init__(self, directory: Path) -> None:
        """Chooses free ports; nothing runs yet."""
        self.directory = directory
        port, tls_port, *self._monitor_ports = process.free_ports(4)
        self._port, self._tls_port = port, tls_port
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self.tls_endpoint_url = f"https://127.0.0.1:{tls_port}"
        self._running: list[process.Server] = []

    def __enter__(self) -> Self:
        """Starts everything and waits until the gateway answers."""
        self._programs = {
            program: process.find("Ceph", program, package)
            for program, package in (
                ("radosgw", "radosgw"),
                ("radosgw-admin", "radosgw"),
                ("ceph-mon", "ceph-mon"),
                ("ceph-osd", "ceph-osd"),
                ("monmaptool", "ceph-common"),
                ("ceph", "ceph-common"),
                ("rados", "ceph-common"),
                ("rados", "ceph-common"),
            )
        }
        self._configure()
        try:
            self._start_monitor()
            self._start_osd()
            self._start_gateway()
            self.admin(
                "user",
                "create",
                "--uid=test",
                "--display-name=Test",
                f"--access-key={self.access_key}",
                f"--secret-key={self.secret_key}",
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends everything at once; what was stored is gone."""
        # The gateway first: without its monitor it waits for ever. Nothing here needs a clean end.
        while self._running:
            process.kill(self._running.pop())

    def admin(self, *arguments: str) -> str:
        """What ``radosgw-admin`` answers to these arguments: users, quotas, rate limits."""
        return self._run("radosgw-admin", *arguments)

    def make_bucket(self, name: str, *, object_lock: bool = False) -> None:
        """Makes an empty bucket that belongs to ``access_key``."""
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=object_lock)
        client.close()

    def lose_data(self, bucket: str, key: str, *, beyond_head: bool = False) -> None:
        """Takes the data of an object away behind the gateway's back: it is still listed.

        Args:
            bucket: where it is.
            key: the object's.
            beyond_head: only what lies apart, as all behind the first 4 MiB does: then even HEAD
                shows the object.
        """
        data = ("-p", "default.rgw.buckets.data")
        if beyond_head:
            stat = json.loads(self.admin("object", "stat", f"--bucket={bucket}", f"--object={key}"))
            wanted = stat["manifest"]["prefix"]
        else:
            stats = json.loads(self.admin("bucket", "stats", f"--bucket={bucket}"))
            wanted = f"{stats['marker']}_{key}"
        for name in self._run("rados", *data, "ls").split():
            if wanted in name:
                self._run("rados", *data, "rm", name)

    def lose_parts(self, bucket: str) -> int:
        """Loses the data of every object that was uploaded in parts; HEAD and listings show it.

        Returns how many parts there were.
        """
        marker = json.loads(self.admin("bucket", "stats", f"--bucket={bucket}"))["marker"]
        pieces = self._run("rados", "--pool", _DATA_POOL, "ls").splitlines()
        parts = [piece for piece in pieces if piece.startswith(f"{marker}__multipart_")]
        for part in parts:
            self._run("rados", "--pool", _DATA_POOL, "rm", part)
        return len(parts)

    def freeze(self) -> None:
        """Stops the OSD in its tracks: the gateway takes requests and does not answer them."""
        self._osd.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets the OSD go on."""
        self._osd.send_signal(signal.SIGCONT)

    def _configure(self) -> None:
        files = certificate.issue(self.directory)
        self.ca_file = files.ca_file
        self._fsid = str(uuid.uuid4())
        v2, v1 = self._monitor_ports
        self._monitor = f"[v2:127.0.0.1:{v2}/0,v1:127.0.0.1:{v1}/0]"
        frontends = (
            f"beast endpoint=127.0.0.1:{self._port} ssl_endpoint=127.0.0.1:{self._tls_port}"
            f" ssl_certificate={files.certificate_file} ssl_private_key={files.key_file}"
        )
        config = _CONFIG.format(
            fsid=self._fsid,
            monitor=self._monitor,
            directory=self.directory,
            frontends=frontends,
            capacity=_CAPACITY,
        )
        (self.directory / "ceph.conf").write_text(config)
        for name in ("mon", "osd"):
            (self.directory / name).mkdir()

    def _start_monitor(self) -> None:
        monitors = str(self.directory / "monmap")
        self._run(
            "monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", self._monitor, monitors
        )
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monitors)
        self._start("ceph-mon", "-i", "a", ready=partial(process.answers, self._monitor_ports[0]))

    def _start_osd(self) -> None:
        identity = str(uuid.uuid4())
        self._run("ceph", "osd", "new", identity, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        self._run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=localhost")
        self._osd = self._start("ceph-osd", "-i", "0", ready=lambda: True)

    def _start_gateway(self) -> None:
        # It waits by itself until the OSD is up.
        self._start("radosgw", "-n", "client.rgw", ready=partial(process.answers, self._tls_port))

    def _start(self, program: str, *arguments: str, ready: Callable[[], bool]) -> process.Server:
        output = self.directory / f"{program}.out"
        started = process.start([self._programs[program], "-f", *self._config, *arguments], output)
        self._running.append(started)
        process.wait_until(ready, program, started, output)
        return started

    @property
    def _config(self) -> tuple[str, str]:
        return "-c", str(self.directory / "ceph.conf")

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._programs[program], *self._config, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise process.ServerFailed(f"{program} {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout
