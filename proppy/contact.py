"""Parses a posted form from any raw bytes."""

from io import BytesIO
from typing import Final
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict

MOST_FIELDS: Final = 100


def parse_contact(body: bytes, content_type: str) -> dict[str, str]:
    """The fields by name: the last of each name, without blank ones; {} if the bytes are not a form.

    Takes urlencoded and multipart bodies; invalid UTF-8 becomes replacement characters. Raises nothing.
    """
    if content_type.lower().startswith("multipart/form-data"):
        return _multipart(body, content_type)
    try:
        pairs = parse_qsl(body.decode(errors="replace"), max_num_fields=MOST_FIELDS)
    except ValueError:  # more fields than any of our forms has
        return {}
    return dict(pairs)


class _NoFiles(FileUploadHandler):
    """Drops files. Without a handler Django takes the body as one chunk, and copies what is left of it at each part."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep nothing."""

    def file_complete(self, file_size: int) -> None:
        """There is no file."""


def _multipart(body: bytes, content_type: str) -> dict[str, str]:
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        fields, _files = MultiPartParser(meta, BytesIO(body), [_NoFiles()], "utf-8").parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError):
        return {}
    return _last_values(fields)


def _last_values(fields: MultiValueDict[str, str]) -> dict[str, str]:
    return {name: values[-1] for name, values in fields.lists() if values}
