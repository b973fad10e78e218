"""Parses a posted form from any raw bytes."""

from io import BytesIO
from typing import Final
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
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


def _multipart(body: bytes, content_type: str) -> dict[str, str]:
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        fields, _files = MultiPartParser(meta, BytesIO(body), [], "utf-8").parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError):
        return {}
    return _last_values(fields)


def _last_values(fields: MultiValueDict[str, str]) -> dict[str, str]:
    return {name: values[-1] for name, values in fields.lists() if values}
