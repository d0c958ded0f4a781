"""``init``: writes a commented ``archiver.toml``."""

from pathlib import Path
from typing import Annotated

import typer

from archiver.cli.options import CONFIG_NAME
from archiver.cli.output import say
from archiver.errors import UsageError

KEY_NAME = "archiver.key"

TEMPLATE = """\
# Settings of archiver. Every line that begins with # is an example or a default.
# Sizes may be written as 500k, 32MiB or 2GiB; paths are relative to this file.

# Where ledger, index and spool are kept. The ledger is precious: give it a disk you trust.
# state = "archiver-state"
# spool_limit = "2GiB"      # how much may wait on the local disk for the store
# workers = 2               # processes that parse and upload; default: one a processor
# connections = 8           # accounts that are fetched at the same time
# signing_key = "archiver.key"          # signs manifests; archiver init --signing-key makes one
# trusted_keys = ["ed25519:..."]        # by whom audit wants them signed; also files

[store]
# An S3-compatible bucket and a prefix in it, or a directory.
url = "./mail-archive"
# url = "s3://my-bucket/mail"
# endpoint = "https://s3.example.com"   # a service that is not AWS
# region = "eu-central-1"
# profile = "backup"        # credentials come from the AWS environment, files or roles
# path_style = true
# ca_file = "store-ca.pem"
# storage_class = "STANDARD_IA"
# sse = "aws:kms"           # or "AES256"
# kms_key = "alias/mail"
# lock_mode = "GOVERNANCE"  # Object Lock; with lock_days
# lock_days = 3650
# legal_hold = true
# tags = { purpose = "mail-archive" }

# One table an account; its name is the account's id in the archive, so choose it for good.
[accounts.example]
# pop3s:// is TLS from the start (port 995), pop3:// is STLS (port 110), both verified;
# pop3+plain:// sends mail and password unprotected.
server = "pop3s://me@pop.example.com"
# One of these; with none of them the keyring or the terminal is asked.
# password_command = "pass show mail/example"
# password_file = "/run/secrets/example"
# password_env = "EXAMPLE_PASSWORD"
# auth = "auto"             # or scram-sha-256, plain, user, login, cram-md5, apop, external, ...
# authzid = "boss"          # open this user's mailbox, as an administrator
# cleartext_password = true # without TLS, send the password all the same
# ca_file = "server-ca.pem"
# tls_min = "1.2"           # "1.0" for an old server that you want to leave
# tls_fingerprint = "ab:cd:..."         # SHA-256 of the one certificate to accept
# client_cert = "me.pem"
# client_key = "me.key"
# proxy = "socks5://proxy.example.com:1080"     # or http://
# proxy_password_env = "PROXY_PASSWORD" # or _file, _command
# login_delay = "server"    # or seconds between two logins
# pipelining = "auto"       # or "always", "never"
# timeout = 60              # seconds
# max_message = "1GiB"      # a larger message is reported and left on the server
# reconnects = 5
# tries = 5                 # runs in which a message may fail before it waits for you
# delete = "verified"       # on the server, what was read back from the store; default: "never"
# after_days = 30           # only what was archived so long ago
# keep_latest = 100         # never the newest
# larger_than = "1MiB"      # only what is larger
# max_delete = 5000         # a run that would delete more stops
# delete_proof = "read"     # or "checksum": believe the store's own SHA-256
# delete_despite_lifecycle = true       # also where the bucket's rules may take mail away

# For Gmail and Microsoft, with a client id of your own; then: archiver login example
# [accounts.example.oauth]
# provider = "google"       # or "microsoft"; "custom" needs token_url, scope, device_url, ...
# client_id = "1234.apps.googleusercontent.com"
# client_secret_env = "GOOGLE_CLIENT_SECRET"    # or _file, _command
"""


def command(
    file: Annotated[
        Path | None,
        typer.Argument(help=f"Where to write it: {CONFIG_NAME}, or {KEY_NAME} for a key."),
    ] = None,
    signing_key: Annotated[
        bool,
        typer.Option(
            "--signing-key", help="Make a key that signs manifests, and print its public key."
        ),
    ] = False,
) -> None:
    """Write a commented archiver.toml to begin with, or a key that signs manifests."""
    if signing_key:
        _make_key(file or Path(KEY_NAME))
    else:
        _write_settings(file or Path(CONFIG_NAME))


def _make_key(file: Path) -> None:
    from archiver.signing import SigningKey

    key = SigningKey.make()
    key.write(file)
    typer.echo(key.public)
    say(f'wrote {file}: set signing_key = "{file}" in {CONFIG_NAME}, and keep a copy of it')
    say("the line above is the public key: audit --public-key takes it, from a place of its own")


def _write_settings(file: Path) -> None:
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE)
    except FileExistsError:
        raise UsageError(f"{file} exists already", hint="name another file") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    say(f"wrote {file}: name your server and store in it, then: archiver run")
