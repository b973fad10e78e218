"""Verifies photos with Pillow, in a worker, never in a request."""

import re
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

#: By Pillow's name of the format: extension and content type. No SVG: it can contain scripts.
FORMATS: Final = {
    "JPEG": ("jpg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "WEBP": ("webp", "image/webp"),
    "GIF": ("gif", "image/gif"),
}
#: Pillow's name for a JPEG with an appended preview, as phones make them. Its JPEG plugin finds it.
PREVIEWED: Final = {"MPO": FORMATS["JPEG"]}
MOST_PIXELS: Final = 40_000_000
#: Cameras and programs make a dozen. Each one decodes all pixels again, and takes only 64 bytes.
MOST_SCANS: Final = 100
#: A marker followed by a length, or the end marker: no stuffed zero, no restart, no standalone marker.
JPEG_MARKER: Final = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
JPEG_END, JPEG_SCAN = b"\xd9", b"\xda"
#: What Pillow's decoders raise for damaged files.
DAMAGED: Final = (OSError, SyntaxError, ValueError, EOFError, LookupError, struct.error, zlib.error)
BOMB: Final = (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning)


class RefusedError(Exception):
    """We do not show these bytes as a photo; the text tells the sender why."""


@dataclass(frozen=True, slots=True)
class Image:
    """A verified image; sizes in pixels."""

    extension: str
    content_type: str
    width: int
    height: int


def verify(body: bytes) -> Image:
    """Decode the whole image (the first frame of an animation). Raises RefusedError."""
    try:
        with PillowImage.open(BytesIO(body), formats=list(FORMATS)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise RefusedError(_too_large(f"{image.width} x {image.height} pixels"))
            if image.format in {"JPEG", "MPO"} and _scans(body) > MOST_SCANS:
                raise RefusedError("The image is made in an unusual way. Save it again, then send it again.")
            image.load()
            return Image(*(FORMATS | PREVIEWED)[image.format or ""], image.width, image.height)
    except BOMB as bomb:
        raise RefusedError(_too_large("hundreds of millions of pixels")) from bomb
    except UnidentifiedImageError as unknown:
        raise RefusedError("This is not a JPEG, PNG, WebP or GIF image. Choose another file.") from unknown
    except DAMAGED as damage:
        raise RefusedError("The image is damaged or incomplete. Save it again, then send it again.") from damage


def _scans(jpeg: bytes) -> int:
    """How many scans a decoder would find; stops counting beyond MOST_SCANS."""
    scans = at = 0
    while scans <= MOST_SCANS and (marker := JPEG_MARKER.search(jpeg, at)) and marker[1] != JPEG_END:
        scans += marker[1] == JPEG_SCAN
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2])
    return scans


def _too_large(size: str) -> str:
    return f"The image has {size}. Make it smaller: at most {MOST_PIXELS // 1_000_000} million pixels."
