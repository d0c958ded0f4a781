"""What stands between a run and an S3 bucket, in the order in which a person debugs it."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from archiver.config import StoreSettings
from archiver.errors import ArchiverError, StoreError
from archiver.store import canonical_url, open_store
from archiver.store.hazards import hazard_of
from archiver.verbs.doctor.findings import Chart, Examination
from archiver.verbs.doctor.probe import see_format, try_store

if TYPE_CHECKING:
    from archiver.store.s3_examination import BucketExamination, Reached

FACTS = (
    "endpoint",
    "region",
    "credentials",
    "round_trip",
    "clock_ahead",
    "writes",
    "write_seconds",
    "reads",
    "lists",
    "removes",
    "conditional",
    "md5_etag",
    "checksum",
    "exchange",
    "format",
    "versioning",
    "lock_mode",
    "lock_days",
    "lifecycle",
    "encryption",
    "denies_deletion",
)
_CLOCK_SECONDS = 60.0


def examine_bucket(settings: StoreSettings) -> Examination:
    """Everything about a bucket and the prefix in it that a run would meet."""
    from archiver.store.s3_examination import BucketExamination

    url = canonical_url(settings.url)
    chart = Chart("store", url, settings.endpoint or "", FACTS)
    try:
        with BucketExamination(settings) as bucket:
            if _reach(chart, bucket):
                _try(chart, settings)
                _rules(chart, bucket, settings)
    except ArchiverError as error:
        chart.problem("settings", error)
    return chart.examination()


def _reach(chart: Chart, bucket: "BucketExamination") -> bool:
    """Whether there is a bucket that answers us, even if it does not let us list."""
    try:
        method = bucket.credentials()
        chart.know(credentials=method)
        chart.ok("credentials", f"found ({method})")
    except ArchiverError as error:
        chart.problem("credentials", error)
        return False
    try:
        reached = bucket.reach()
    except ArchiverError as error:
        chart.problem("bucket", error)
        return False
    chart.know(
        endpoint=reached.endpoint, region=reached.region, round_trip=round(reached.seconds, 6)
    )
    if reached.refused is not None:
        chart.problem("bucket", reached.refused)
    else:
        chart.ok(
            "bucket",
            f"{reached.endpoint} answers in {reached.seconds * 1000:.0f} ms"
            f" (region {reached.region})",
        )
    _see_way(chart, reached)
    _see_clock(chart, reached)
    return True


def _see_way(chart: Chart, reached: "Reached") -> None:
    endpoint = urlsplit(reached.endpoint)
    if endpoint.scheme == "http" and not _is_here(endpoint.hostname or ""):
        chart.note(
            "bucket",
            "no TLS: all mail can be read on the way",
            "use an endpoint of https:// unless the network between is yours alone",
        )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _see_clock(chart: Chart, reached: "Reached") -> None:
    if reached.ahead is None:
        return
    chart.know(clock_ahead=round(reached.ahead, 1))
    if abs(reached.ahead) <= _CLOCK_SECONDS:
        chart.ok("clock", "agrees with ours")
        return
    word = "ahead of" if reached.ahead > 0 else "behind"
    chart.note(
        "clock",
        f"is {abs(reached.ahead):.0f} s {word} ours",
        "set the clocks: S3 refuses requests that are 15 minutes off",
    )


def _try(chart: Chart, settings: StoreSettings) -> None:
    with open_store(settings, connections=1) as store:
        try_store(chart, store)
        see_format(chart, store)


def _rules(chart: Chart, bucket: "BucketExamination", settings: StoreSettings) -> None:
    for topic, look in _RULES:
        try:
            look(chart, bucket, settings)
        except StoreError as error:
            # Many servers do not know the question, and few keys are granted the right to ask it.
            chart.note(topic, f"not known: {error.message}", error.hint)


def _see_versioning(chart: Chart, bucket: "BucketExamination", _: StoreSettings) -> None:
    status = bucket.versioning()
    chart.know(versioning=status)
    if status == "Enabled":
        chart.ok("versioning", "on: what is overwritten or deleted can be had back")
    else:
        chart.note(
            "versioning",
            "off: what is deleted in the bucket is gone",
            "archiver deletes no mail there; versioning guards against everything else that might",
        )


def _see_lock(chart: Chart, bucket: "BucketExamination", settings: StoreSettings) -> None:
    lock = bucket.lock()
    wanted = settings.lock_mode is not None or settings.legal_hold
    if lock is None:
        if wanted:
            chart.problem(
                "lock",
                StoreError(
                    "the settings ask for an object lock, and the bucket has none",
                    hint="make a bucket with object lock, or take lock and legal hold out",
                ),
            )
        else:
            chart.ok("lock", "no object lock")
        return
    chart.know(lock_mode=lock.mode or settings.lock_mode, lock_days=lock.days or settings.lock_days)
    if settings.lock_mode is not None:
        chart.ok("lock", f"{settings.lock_mode} for {settings.lock_days} days, as the settings say")
    elif lock.mode is not None:
        chart.ok(
            "lock", f"{lock.mode} for {lock.days} days by default, also for what is tried here"
        )
    else:
        chart.ok("lock", "object lock is on, and locks nothing by default")


def _see_lifecycle(chart: Chart, bucket: "BucketExamination", _: StoreSettings) -> None:
    rules = bucket.lifecycle()
    chart.know(
        lifecycle=[
            {"id": one.name, "prefix": one.prefix, "expires": one.expires, "cold": one.cold}
            for one in rules
        ]
    )
    for rule in rules:
        hazard = hazard_of(rule)
        if rule.expires:
            chart.problem("lifecycle", StoreError(hazard.line, hint=hazard.hint))
        else:
            chart.note("lifecycle", hazard.line, hazard.hint)
    if not rules:
        chart.ok("lifecycle", "no rule takes mail away")


def _see_encryption(chart: Chart, bucket: "BucketExamination", settings: StoreSettings) -> None:
    default = bucket.encryption()
    chosen = settings.sse or default
    chart.know(encryption=chosen)
    why = "as the settings say" if settings.sse else "by default"
    chart.ok("encryption", f"{chosen}, {why}" if chosen else "none by default")


def _see_deletion(chart: Chart, bucket: "BucketExamination", _: StoreSettings) -> None:
    denied = bucket.denies_deletion()
    chart.know(denies_deletion=denied)
    if denied:
        chart.ok("deletion", "the bucket's policy lets nobody delete mail")
    else:
        chart.note(
            "deletion",
            "whether this key may delete mail is not tried; no policy of the bucket forbids it",
            "archiver needs s3:DeleteObject below state/ alone",
        )


_RULES: "tuple[tuple[str, Callable[[Chart, BucketExamination, StoreSettings], None]], ...]" = (
    ("versioning", _see_versioning),
    ("lock", _see_lock),
    ("lifecycle", _see_lifecycle),
    ("encryption", _see_encryption),
    ("deletion", _see_deletion),
)
