"""What S3 and the way to it answer, in words that say what to do next.

Codes are those of the S3 API reference, "Error responses", and of what compatible servers send
in their place. An answer to HEAD has no body and hence no code: ``s3.py`` asks again with GET.
"""

from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from archiver.errors import StoreError
from archiver.store.contract import ObjectMissing

ABSENT = frozenset(("404", "NoSuchKey", "NoSuchVersion", "NotFound"))
TAKEN = frozenset(("412", "PreconditionFailed"))
CONFLICT = frozenset(("409", "ConditionalRequestConflict", "OperationAborted"))
NOT_OFFERED = frozenset(("501", "NotImplemented"))
UNKNOWN = NOT_OFFERED | {
    "405",
    "MethodNotAllowed",
    "400",
    "InvalidRequest",
    "UnsupportedOperation",
}
FORBIDDEN = frozenset(("403", "AccessDenied"))
BEYOND_END = frozenset(("416", "InvalidRange"))


@dataclass(frozen=True, slots=True)
class Doing:
    """What was asked: the verb for people, the permission AWS calls it by, and of what."""

    verb: str
    permission: str
    url: str
    bucket: str
    endpoint: str


def code_of(error: ClientError) -> str:
    """The S3 error code of an answer, or its HTTP status where it has none."""
    return str(error.response.get("Error", {}).get("Code", "")) or str(status_of(error))


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def explain(error: ClientError | BotoCoreError, doing: Doing) -> StoreError:
    """The error to raise for what botocore raised while something was done."""
    if isinstance(error, ClientError):
        return _explain_answer(error, doing)
    return _explain_way(error, doing)


_ACCESS_KEY = "check AWS_ACCESS_KEY_ID or the profile"
_SIGN_IN = "the session token ran out or is wrong: sign in again, or unset AWS_SESSION_TOKEN"
_REGION = "set the region to the one that the bucket is in"
_BUSY = "the program gave up after several tries; try later, or with fewer workers"
_ANSWERS: dict[str, tuple[str, str]] = {
    "NoSuchBucket": (
        "there is no bucket {bucket} at {endpoint}",
        "make the bucket, or check its name and the endpoint",
    ),
    "InvalidBucketName": (
        "{bucket} is no name for a bucket at {endpoint}",
        "check the store's URL",
    ),
    "InvalidAccessKeyId": ("{endpoint} does not know the access key", _ACCESS_KEY),
    "SignatureDoesNotMatch": (
        "{endpoint} does not accept the secret key",
        "check AWS_SECRET_ACCESS_KEY or the profile",
    ),
    "InvalidToken": ("{endpoint} does not accept the session token", _SIGN_IN),
    "ExpiredToken": ("{endpoint} does not accept the session token", _SIGN_IN),
    "RequestTimeTooSkewed": (
        "this machine's clock differs too much from that of {endpoint}",
        "set the clock",
    ),
    "RequestExpired": (
        "this machine's clock differs too much from that of {endpoint}",
        "set the clock",
    ),
    "AccessDenied": ("{endpoint} does not let us {verb} {url}", "grant {permission} there"),
    "AllAccessDisabled": (
        "{endpoint} does not let us {verb} {url}",
        "the account or bucket is disabled",
    ),
    "AuthorizationHeaderMalformed": ("bucket {bucket} is in another region", _REGION),
    "PermanentRedirect": ("bucket {bucket} is in another region", _REGION),
    "IllegalLocationConstraintException": ("bucket {bucket} is in another region", _REGION),
    "SlowDown": ("{endpoint} is too busy to {verb} {url}", _BUSY),
    "ServiceUnavailable": ("{endpoint} is too busy to {verb} {url}", _BUSY),
    "InternalError": ("{endpoint} failed to {verb} {url}", _BUSY),
    "QuotaExceeded": ("the quota at {endpoint} is used up", "raise it; nothing was stored"),
    "InvalidObjectState": (
        "{url} is in cold storage",
        "restore the object first; see its storage class",
    ),
    "BadDigest": (
        "{url} did not arrive as it was sent",
        "try again; if it happens often, look at the network and at memory",
    ),
    "XAmzContentSHA256Mismatch": (
        "{url} did not arrive as it was sent",
        "try again; if it happens often, look at the network and at memory",
    ),
    "ObjectLockConfigurationNotFoundError": (
        "bucket {bucket} has no object lock",
        "make a bucket with object lock, or unset the lock",
    ),
}
_BY_STATUS = {301: "PermanentRedirect", 403: "AccessDenied", 503: "SlowDown", 500: "InternalError"}


def _explain_answer(error: ClientError, doing: Doing) -> StoreError:
    code, status = code_of(error), status_of(error)
    fields = {
        "verb": doing.verb,
        "permission": doing.permission,
        "url": doing.url,
        "bucket": doing.bucket,
        "endpoint": doing.endpoint,
    }
    if code in ABSENT:
        return ObjectMissing(f"there is no {doing.url}")
    said = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:200]
    if "kms" in said.lower():
        # Ceph calls an unknown KMS key InvalidAccessKeyId; only its words tell.
        return StoreError(
            f"{doing.endpoint} refused to {doing.verb} {doing.url}: {said}",
            hint="check the KMS key",
        )
    known = _ANSWERS.get(code) or _ANSWERS.get(_BY_STATUS.get(status, ""))
    if known is not None:
        return StoreError(known[0].format(**fields), hint=known[1].format(**fields))
    return StoreError(
        f"{doing.endpoint} refused to {doing.verb} {doing.url}: {status} {code}"
        + (f" ({said})" if said else ""),
        hint="see the server's documentation for this code",
    )


def _explain_way(error: BotoCoreError, doing: Doing) -> StoreError:
    endpoint = doing.endpoint
    if isinstance(error, PartialCredentialsError):
        return StoreError(
            "the credentials for S3 are incomplete",
            hint="set both the access key and the secret key",
        )
    if isinstance(error, ProfileNotFound):
        return StoreError(_one_line(error), hint="see the names in ~/.aws/config")
    if isinstance(error, NoCredentialsError):
        return StoreError(
            "there are no credentials for S3",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile",
        )
    if isinstance(error, SSLError):
        return _explain_tls(error, endpoint)
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return StoreError(f"{endpoint} does not answer in time", hint=_BUSY)
    if isinstance(error, EndpointConnectionError) and _unknown_name(error):
        return StoreError(
            f"the name in {endpoint} is not known",
            hint="check the endpoint, the region and the network",
        )
    if isinstance(error, EndpointConnectionError | NoConnection | HTTPClientError):
        return StoreError(
            f"{endpoint} cannot be reached",
            hint="check the endpoint and the network, and that the server runs",
        )
    return StoreError(f"cannot {doing.verb} {doing.url}: {_one_line(error)}")


def _unknown_name(error: EndpointConnectionError) -> bool:
    return "resolve" in str(error.kwargs.get("error", ""))


def _explain_tls(error: SSLError, endpoint: str) -> StoreError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreError(
            f"the certificate of {endpoint} is not trusted",
            hint="if the server is yours, give the file of its authority as ca_file",
        )
    if "WRONG_VERSION_NUMBER" in str(error):
        return StoreError(f"{endpoint} does not speak TLS", hint="check the port, or write http://")
    return StoreError(
        f"no secure connection to {endpoint}: {_one_line(error)}", hint="check the endpoint"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
