"""Options of django-storages' S3Storage for this site's files. Imports no Django: settings.py reads it."""

from typing import Any
from urllib.parse import urlsplit

from boto3.s3.transfer import TransferConfig
from botocore.config import Config

#: Seconds that a signed address works: long enough to load the page it is on.
ADDRESS_SECONDS = 300
#: Where large bodies are in the bucket.
BODY_PREFIX = "raw"
#: Bytes. Smaller ones are one request: an upload in parts leaves those behind when its process is killed.
LARGEST_REQUEST = 64 * 1024 * 1024


def storage_options(bucket: str, endpoint_url: str = "") -> dict[str, Any]:
    """OPTIONS of STORAGES for a bucket: nothing in it is public, a repeated upload overwrites its first try.

    `endpoint_url` names an S3-compatible server, "" is AWS. Credentials and region are found by boto3 itself
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
    """OPTIONS of STORAGES for the large bodies, in the same bucket below `raw/`: nobody gets an address of those.

    Short time-outs, because a worker waits: process_raw tries again by itself. No threads, each of which would hold a
    part of the body in memory.
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
    """boto3 >= 1.36 adds checksums by default that some S3-compatible servers refuse."""
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
