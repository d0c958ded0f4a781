"""What a bucket says of itself: where it is, its clock, and what it does with objects by itself.

Questions only: nothing is written. Each is one request, since each needs a permission of its own,
and many servers know only some of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from archiver.config import StoreSettings
from archiver.errors import StoreError
from archiver.store.opening import BucketPlace, place_of
from archiver.store.rules import (
    LifecycleRule,
    Lock,
    denies_deletion,
    lifecycle_rules,
    lock_of,
)
from archiver.store.s3_client import credentials_method, make_client
from archiver.store.s3_errors import FORBIDDEN, UNKNOWN, Doing, code_of, explain

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NotTold(StoreError):
    """The server forbids the question, or does not know it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """An answer of a server: how long it took, and what its clock said meanwhile.

    ``ahead`` is seconds that the server's clock is ahead of ours, to the second; None if it does
    not say. ``endpoint`` is the URL that was asked, ``region`` what was signed for. ``refused``
    is set where it answers, and does not let us list.
    """

    endpoint: str
    region: str
    seconds: float
    ahead: float | None
    refused: StoreError | None


class BucketExamination:
    """Asks a bucket about itself; every question may raise StoreError, with a hint.

    It is NotTold where the server answers, and the answer is that it does not tell.
    """

    def __init__(self, settings: StoreSettings) -> None:
        """Asks nothing yet.

        Raises:
            StoreError: the configuration found is unusable.
            UsageError: a setting is, or the settings name no bucket.
        """
        place = place_of(settings.url)
        assert isinstance(place, BucketPlace)
        self._settings, self._bucket = settings, place.bucket
        self._prefix = f"{place.prefix}/" if place.prefix else ""
        self._url = f"s3://{place.bucket}/{place.prefix}".rstrip("/")
        self._client: S3Client = make_client(settings, place.bucket, self._url, 1)

    def credentials(self) -> str:
        """Where the credentials come from, in botocore's word."""
        try:
            found = credentials_method(self._settings)
        except BotoCoreError as error:
            raise explain(error, self._doing("sign in to", "")) from error
        if found is None:
            raise StoreError(
                "there are no credentials for S3",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile",
            )
        return found

    def reach(self) -> Reached:
        """Lists one object of the prefix."""
        doing, refused = self._doing("list", "s3:ListBucket"), None
        began = monotonic()
        try:
            answer: Mapping[str, Any] = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1
            )
        except ClientError as error:
            refused = explain(error, doing)
            if code_of(error) not in FORBIDDEN:
                raise refused from error
            answer = error.response
        except BotoCoreError as error:
            raise explain(error, doing) from error
        return Reached(
            self._client.meta.endpoint_url,
            self._client.meta.region_name,
            monotonic() - began,
            _ahead(answer["ResponseMetadata"]["HTTPHeaders"].get("date")),
            refused,
        )

    def versioning(self) -> str:
        """``Enabled``, ``Suspended``, or empty where it was never switched on."""
        answer = self._ask("GetBucketVersioning", self._client.get_bucket_versioning)
        return str(answer.get("Status", ""))

    def lock(self) -> Lock | None:
        """The bucket's Object Lock, None where it has none."""
        answer = self._ask(
            "GetBucketObjectLockConfiguration",
            self._client.get_object_lock_configuration,
            "ObjectLockConfigurationNotFoundError",
        )
        return lock_of(answer.get("ObjectLockConfiguration", {}))

    def lifecycle(self) -> tuple[LifecycleRule, ...]:
        """The rules that take mail of this archive away, or make it unreadable."""
        answer = self._ask(
            "GetLifecycleConfiguration",
            self._client.get_bucket_lifecycle_configuration,
            "NoSuchLifecycleConfiguration",
        )
        return lifecycle_rules(answer.get("Rules", ()), self._prefix, dict(self._settings.tags))

    def encryption(self) -> str:
        """How new objects are encrypted by default: ``AES256``, ``aws:kms``; empty if not."""
        answer = self._ask(
            "GetEncryptionConfiguration",
            self._client.get_bucket_encryption,
            "ServerSideEncryptionConfigurationNotFoundError",
        )
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
        by_default = (one.get("ApplyServerSideEncryptionByDefault", {}) for one in rules)
        return next((str(one["SSEAlgorithm"]) for one in by_default if "SSEAlgorithm" in one), "")

    def denies_deletion(self) -> bool:
        """Whether the bucket's policy forbids everybody to delete mail."""
        answer = self._ask("GetBucketPolicy", self._client.get_bucket_policy, "NoSuchBucketPolicy")
        resource = f"arn:aws:s3:::{self._bucket}/{self._prefix}mail/x"
        return denies_deletion(str(answer.get("Policy", "")), resource)

    def close(self) -> None:
        """Lets go of connections."""
        self._client.close()

    def __enter__(self) -> Self:
        """The examination itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Lets go of connections."""
        self.close()

    def _ask(
        self, permission: str, question: Callable[..., Any], nothing: str = ""
    ) -> Mapping[str, Any]:
        """The answer to a question about the bucket; empty for the code that says "none"."""
        doing = self._doing("see the settings of", f"s3:{permission}")
        try:
            answer: Mapping[str, Any] = question(Bucket=self._bucket)
        except ClientError as error:
            if nothing and code_of(error) == nothing:
                return {}
            if code_of(error) in UNKNOWN:
                raise NotTold(f"{doing.endpoint} does not know {permission}") from error
            refused = explain(error, doing)
            if code_of(error) in FORBIDDEN:
                raise NotTold(refused.message, hint=refused.hint) from error
            raise refused from error
        except BotoCoreError as error:
            raise explain(error, doing) from error
        return answer

    def _doing(self, verb: str, permission: str) -> Doing:
        return Doing(verb, permission, self._url, self._bucket, self._client.meta.endpoint_url)


def _ahead(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        # The server rounds down to the second.
        return parsedate_to_datetime(date).timestamp() + 0.5 - time()
    except ValueError:
        return None
