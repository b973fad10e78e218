"""Options of django-storages' S3Storage for this site's files. Imports no Django, since settings.py imports it."""

from typing import Any
from urllib.parse import urlsplit

from boto3.s3.transfer import TransferConfig
from botocore.config import Config

#: Seconds that a signed URL works: long enough to load its page.
ADDRESS_SECONDS = 300
#: The prefix of large bodies in the bucket.
BODY_PREFIX = "raw"
#: Bytes. Smaller ones are one request: a killed multipart upload leaves its parts behind.
LARGEST_REQUEST = 64 * 1024 * 1024


def storage_options(bucket: str, endpoint_url: str = "") -> dict[str, Any]:
    """OPTIONS of STORAGES for a bucket: nothing in it is public; a repeated upload overwrites the first.

    `endpoint_url` names an S3-compatible server; "" is AWS. boto3 itself finds credentials and region
    (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION, or the machine's role).
    """
    return {
        "bucket_name": bucket,
        "endpoint_url": endpoint_url or None,
        "default_acl": None,  # buckets are private by default, and newer ones refuse any ACL
        "querystring_auth": True,
        "querystring_expire": ADDRESS_SECONDS,
        "file_overwrite": True,
        "client_config": _client_config(is_aws=_is_aws(endpoint_url)),
    }


def body_storage_options(bucket: str, endpoint_url: str = "") -> dict[str, Any]:
    """OPTIONS of STORAGES for the large bodies, below `raw/` in the same bucket: they get no URLs.

    Short timeouts, because a worker waits, and process_raw tries again. No threads: each would hold a part of the body
    in memory.
    """
    return storage_options(bucket, endpoint_url) | {
        "location": BODY_PREFIX,
        "querystring_auth": False,
        "client_config": _client_config(is_aws=_is_aws(endpoint_url), read_timeout=10, attempts=2),
        "transfer_config": TransferConfig(use_threads=False, multipart_threshold=LARGEST_REQUEST),
    }


def _is_aws(endpoint_url: str) -> bool:
    host = urlsplit(endpoint_url).hostname or "" if endpoint_url else "amazonaws.com"
    return host == "amazonaws.com" or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _client_config(*, is_aws: bool, read_timeout: int = 30, attempts: int = 4) -> Config:
    """By default boto3 >= 1.36 adds checksums that some S3-compatible servers refuse."""
    compatible: dict[str, Any] = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "s3": {"addressing_style": "path"},
    }
    return Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        **({} if is_aws else compatible),
    )
