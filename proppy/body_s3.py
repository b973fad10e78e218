"""A bucket as the storage of large bodies. Reads are streams: never whole in memory, or on a disk."""

from botocore.exceptions import ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name


class StreamingS3Storage(S3Storage):  # type: ignore[misc]  # django-storages has no types
    """django-storages' S3Storage; its files can be read once, from start to end."""

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: files are opened for reading; save() writes them")
        key = self._normalize_name(clean_name(name))
        try:
            answer = self.connection.meta.client.get_object(Bucket=self.bucket_name, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise FileNotFoundError(f"File does not exist: {key}") from error
            raise
        return File(answer["Body"], name)
