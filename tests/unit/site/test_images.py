from io import BytesIO

import pytest
from PIL import Image as PillowImage

from proppy import images
from proppy.images import RefusedError, verify


def image(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    out = BytesIO()
    PillowImage.linear_gradient("L").resize(size).convert("RGB").save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "extension", "content_type"),
    [
        ("JPEG", "jpg", "image/jpeg"),
        ("MPO", "jpg", "image/jpeg"),
        ("PNG", "png", "image/png"),
        ("WEBP", "webp", "image/webp"),
        ("GIF", "gif", "image/gif"),
    ],
)
def test_takes_the_four_formats(kind: str, extension: str, content_type: str) -> None:
    assert verify(image(kind)) == images.Image(extension, content_type, 64, 48)


def test_takes_a_jpeg_with_a_preview_as_phones_make_them() -> None:
    out = BytesIO()
    first, second = PillowImage.new("RGB", (64, 48)), PillowImage.new("RGB", (32, 24))
    first.save(out, "MPO", save_all=True, append_images=[second])

    assert verify(out.getvalue()) == images.Image("jpg", "image/jpeg", 64, 48)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 1000,
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html>",
        image("TIFF"),
        image("BMP"),
        image("EPS"),
    ],
)
def test_refuses_what_is_none_of_them(body: bytes) -> None:
    with pytest.raises(RefusedError, match="not a JPEG, PNG, WebP or GIF"):
        verify(body)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_refuses_what_is_cut_off(kind: str, part: float) -> None:
    whole = image(kind, (200, 200))
    with pytest.raises(RefusedError):
        verify(whole[: int(len(whole) * part)])


def test_refuses_a_damaged_png() -> None:
    damaged = bytearray(image("PNG", (200, 200)))
    damaged[60:80] = b"\xff" * 20
    with pytest.raises(RefusedError, match="damaged"):
        verify(bytes(damaged))


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((8000, 5001), "8000 x 5001 pixels"),
        ((10_000, 10_000), "million"),
        ((60_000, 60_000), "hundreds of millions"),
    ],
)
def test_refuses_bombs_without_decoding_them(size: tuple[int, int], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason) as refused:
        verify(gif_header(*size))
    assert "at most 40 million pixels" in str(refused.value)


def gif_header(width: int, height: int) -> bytes:
    """A GIF of a few bytes that says it is that large; decoding it would fail otherwise."""
    sizes = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"GIF89a" + sizes + b"\0\0\0," + b"\0" * 4 + sizes + b"\0\x02\0;"
