"""Settings as frozen values: what ``archiver.toml`` and the command line may say."""

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30

AUTH = (
    "auto",
    "external",
    "xoauth2",
    "oauthbearer",
    "scram-sha-256",
    "scram-sha-1",
    "plain",
    "user",
    "login",
    "cram-md5",
    "apop",
)
"""The names of the ways to sign in."""


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A mailbox as ``--server`` names it; ``security`` is ``tls``, ``stls`` or ``plain``."""

    host: str
    port: int
    user: str
    security: str


NO_SERVER = ServerUrl(host="", port=0, user="", security="tls")
"""Of an account that has none, since all of its mail was imported."""


@dataclass(frozen=True, slots=True)
class FolderUrl:
    """A folder of an IMAP account; ``folder`` is its name and those of the folders above it."""

    server: ServerUrl
    folder: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where a password comes from; at most one is set, with none keyring or terminal are asked."""

    env: str | None = None
    file: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class ProxyUrl:
    """A proxy; ``kind`` is ``socks5`` or ``http`` (CONNECT). It also resolves the server's name."""

    kind: str
    host: str
    port: int
    user: str = ""


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """How access tokens are had (RFC 6749); what is None follows from the provider.

    Attributes:
        provider: ``google``, ``microsoft``, or ``custom``, which needs its endpoints.
        client_id, client_secret: the application's registration at the provider.
        tenant: Microsoft's directory.
    """

    client_id: str
    provider: str = "custom"
    client_secret: PasswordSource = PasswordSource()
    authorization_url: str | None = None
    token_url: str | None = None
    device_url: str | None = None
    scope: str | None = None
    tenant: str = "common"


@dataclass(frozen=True, slots=True)
class Deletion:
    """What may be deleted on the server once it is archived; sizes are octets.

    Attributes:
        delete: ``never``, or ``verified``: what was read back from the store.
        delete_proof: ``read``, the octets are fetched again and hashed, or ``checksum``, the store
            names their SHA-256.
        after_days: only what was archived so many days ago.
        keep_latest: never so many of the newest messages.
        larger_than: only what has more octets.
        max_delete: a run that would delete more stops and asks.
        delete_despite_lifecycle: also where the bucket's own rules may take the copies away, or
            cannot be read.
    """

    delete: str = "never"
    delete_proof: str = "read"
    after_days: float = 0.0
    keep_latest: int = 0
    larger_than: int = -1
    max_delete: int = 5000
    delete_despite_lifecycle: bool = False


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One POP3 mailbox with its policies; sizes are octets, times seconds.

    Attributes:
        auth: a name of ``AUTH``; ``auto`` takes the best that server and settings allow.
        authzid: whose mailbox to open, where that is not the user who signs in (RFC 4616).
        cleartext_password: a bare password may go over a connection without TLS.
        oauth: how tokens are had; None where passwords are used.
        ca_file: PEM file that replaces the system's authorities.
        tls_min: the oldest version of TLS to accept: ``1.0``, ``1.1``, ``1.2`` or ``1.3``.
        tls_fingerprint: SHA-256 of the server's certificate, 64 hex digits; it is then trusted for
            that alone.
        client_cert, client_key: PEM files to identify us by; the key may be in the first.
        proxy: how to reach the server, where not directly.
        login_delay: seconds between two logins; None for what the server asks.
        deletion: what may be deleted.
    """

    name: str
    server: ServerUrl
    password: PasswordSource = PasswordSource()
    auth: str = "auto"
    authzid: str = ""
    cleartext_password: bool = False
    oauth: OAuthSettings | None = None
    ca_file: str | None = None
    tls_min: str = "1.2"
    tls_fingerprint: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: ProxyUrl | None = None
    proxy_password: PasswordSource = PasswordSource()
    pipelining: str = "auto"
    login_delay: float | None = None
    timeout: float = 60.0
    max_message: int = GIB
    reconnects: int = 5
    tries: int = 5
    deletion: Deletion = Deletion()


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where a store is and how objects are to be written there; all but ``url`` concerns S3 only.

    Attributes:
        url: ``s3://bucket/prefix``, a path, ``file:///path``, or ``memory://name`` in tests.
        endpoint: URL of the service if it is not AWS; None leaves it to the AWS configuration.
        region, profile: as the AWS configuration names them; None leaves them to it.
        path_style: the bucket in the path (True) or in the host name (False); None for the path
            with an endpoint and the host name without.
        ca_file: PEM file of authorities to trust instead of the usual ones.
        storage_class: of objects below ``mail/``, such as ``STANDARD_IA``.
        sse: ``AES256``, ``aws:kms`` with ``kms_key``, or None for the bucket's default.
        lock_mode, lock_days: ``GOVERNANCE`` or ``COMPLIANCE``, and days from the write on.
        legal_hold: whether objects are held until a person lifts it.
        tags: names and values put on every object outside ``state/``.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    path_style: bool | None = None
    ca_file: str | None = None
    storage_class: str | None = None
    sse: str | None = None
    kms_key: str | None = None
    lock_mode: str | None = None
    lock_days: int | None = None
    legal_hold: bool = False
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run needs to know.

    ``state`` is the directory of ledger, index and spool; empty until the command line has filled
    in the platform's own. ``workers`` is 0 for one a processor; ``connections`` is how many
    accounts are fetched at once. ``signing_key`` is the file of the key that signs manifests;
    ``trusted_keys`` are the public keys whose signatures an audit accepts, or files with them.
    """

    accounts: tuple[AccountSettings, ...]
    store: StoreSettings
    state: str = ""
    spool_limit: int = 2 * GIB
    workers: int = 0
    connections: int = 8
    signing_key: str | None = None
    trusted_keys: tuple[str, ...] = ()
