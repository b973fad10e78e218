"""What is sent as a photo: its name, what it claims to be, what it unfolds to, and how it is shown."""

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import GifImagePlugin

from notifications.models import RawPayload, State
from proppy.images import MOST_SCANS, RefusedError, verify
from proppy.models import Photo
from tests.support.in_process import work_off
from tests.support.memory import peak_of
from tests.support.site import image

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT: Final = b"<script>alert(document.domain)</script>"


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MEDIA_ROOT.mkdir()
    return tmp_path


def post(
    client: Client, body: bytes, *, name: bytes = b"p.png", content_type: bytes = b"image/png", more: bytes = b""
) -> Any:
    """A multipart body to the letter, which no client library would write."""
    part = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="%s"\r\nContent-Type: %s\r\n\r\n%s\r\n'
    whole = more + part % (name, content_type, body) + b"--x--\r\n"
    return client.post("/photos/", whole, content_type="multipart/form-data; boundary=x")


NAMES: Final = [
    b"../../../../evil.png",
    b"..\\..\\evil.png",
    b"/etc/cron.d/evil",
    b"C:\\evil.png",
    b"evil\0.png",
    b"%2e%2e%2fevil.png",
    b".htaccess",
    b"evil.svg",
    b"evil.html",
    b"e" * 900 + b".png",
    "\u202egnp.live.png".encode(),
    b"<script>alert(1)</script>.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_files_name_is_used_for_nothing(client: Client, ada: User, media: Path, name: bytes) -> None:
    assert post(client, image(), name=name).status_code == 302
    work_off()
    photo = Photo.objects.get()
    assert [path.relative_to(media) for path in media.rglob("*") if path.is_file()] == [
        Path(f"media/photos/{photo.receipt}.png")
    ]
    shown = client.get(f"/photos/{photo.pk}/")
    assert b"".join(shown) == image()
    assert shown["Content-Disposition"] == f'inline; filename="{photo.receipt}.png"'
    shown.close()


@pytest.mark.parametrize("name", [b"evil.png/", b"e" * 5000, b"\xff\xfe.png", b'evil"; name="owner', b".."])
def test_a_name_that_is_none_is_no_upload(client: Client, ada: User, media: Path, name: bytes) -> None:
    assert post(client, image(), name=name).status_code in {200, 400}
    assert not RawPayload.objects.exists()
    assert not [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "content_type", [b"text/html", b"image/svg+xml", b"image/png; charset=utf-7", b"a\tb", b"", b"x" * 900]
)
def test_what_a_file_claims_to_be_is_not_asked(client: Client, ada: User, content_type: bytes) -> None:
    post(client, image("GIF"), content_type=content_type)
    work_off()
    assert Photo.objects.get().content_type == "image/gif"


NO_IMAGES: Final = {
    "html": b"<!doctype html>" + SCRIPT,
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "svg that begins like a gif": b"GIF89a<svg onload=alert(1)>",
    "html that begins like a png": b"\x89PNG\r\n\x1a\n" + SCRIPT,
    "html that begins like a jpeg": b"\xff\xd8\xff\xe0" + SCRIPT,
    "webp without an image": b"RIFF\x24\0\0\0WEBPVP8 " + SCRIPT,
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file",
    "image magick": b"push graphic-context\nviewbox 0 0 9 9\nfill 'url(https://evil.example/)'\npop graphic-context",
    "zip": b"PK\x03\x04" + b"\0" * 100,
    "a link": b"https://evil.example/cat.png",
}


@pytest.mark.parametrize("body", NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_is_no_image_is_stored_nowhere_and_shown_to_nobody(
    client: Client, ada: User, media: Path, body: bytes
) -> None:
    post(client, body)
    assert [payload.state for payload in work_off()] == [State.DONE]
    photo = Photo.objects.get()
    assert photo.state == Photo.State.REFUSED
    assert not [path for path in media.rglob("*") if path.is_file()]
    assert client.get(f"/photos/{photo.pk}/").status_code == 404
    assert "script" not in photo.reason


POLYGLOTS: Final = {
    "gif and html": image("GIF") + SCRIPT,
    "png and html": image("PNG") + SCRIPT,
    "jpeg with html in its comment": image("JPEG", comment=SCRIPT),
    "webp and zip": image("WEBP") + b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("body", POLYGLOTS.values(), ids=POLYGLOTS)
def test_an_image_that_is_something_else_too_is_an_image_only(client: Client, ada: User, body: bytes) -> None:
    post(client, body, name=b"evil.html", content_type=b"text/html")
    work_off()
    shown = client.get(f"/photos/{Photo.objects.get().pk}/")
    shown.close()
    assert shown["Content-Type"] in {"image/gif", "image/png", "image/jpeg", "image/webp"}
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in shown["Content-Security-Policy"]
    assert shown["X-Frame-Options"] == "DENY"
    assert shown["Cache-Control"].startswith("private")


class TestBombs:
    """Small files that would unfold. What they are refused for is in tests/unit/site/test_images.py, by size."""

    @pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
    def test_compressed_text_is_not_unfolded(self, kind: bytes) -> None:
        packed = zeros_packed()
        between = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}[kind]
        assert peak_of(lambda: refusal(with_chunk(image(), kind, between + packed))) < 30_000_000

    def test_of_an_animation_one_frame_is_decoded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocks: list[bytes | None] = []
        read_block = GifImagePlugin.GifImageFile.data

        def count(gif: GifImagePlugin.GifImageFile) -> bytes | None:
            blocks.append(read_block(gif))
            return blocks[-1]

        monkeypatch.setattr(GifImagePlugin.GifImageFile, "data", count)
        assert verify(gif_of(100_000)).extension == "gif"
        assert len(blocks) < 100

    def test_scans_of_a_jpeg_are_counted_before_they_are_decoded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each of 64 bytes goes over all pixels again: 10 MiB of them took an hour."""
        assert verify(with_scans(MOST_SCANS - 10)).extension == "jpg"
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("it was decoded"))
        assert "unusual" in refusal(with_scans(MOST_SCANS))
        assert "unusual" in refusal(with_scans(100_000))

    @pytest.mark.parametrize("hiding", [b"\xff\xfe\0\4\xff\xd9", b"\xff\xe0\0\5\xff\xfe\xff", b"\xff\x01", b"\xff\xff"])
    def test_what_comes_between_hides_no_scans(self, hiding: bytes) -> None:
        """Marks in a comment, and one that no length follows: what a decoder passes over, or takes for nothing."""
        bomb = with_scans(MOST_SCANS)
        second = bomb.index(b"\xff\xda", bomb.index(b"\xff\xda") + 2)
        assert "unusual" in refusal(bomb[:second] + hiding + bomb[second:])

    def test_marks_in_other_parts_are_no_scans(self) -> None:
        noise = b"\xff\xda\0\0" * 10_000
        assert verify(image("JPEG", icc_profile=noise, comment=noise[:60_000]) + noise).extension == "jpg"

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_forty_million_pixels_are_all(self, kind: str) -> None:
        with pytest.raises(RefusedError, match="at most 40 million"):
            verify(image(kind, (16_000, 2_501), **{"method": 0} if kind == "WEBP" else {}))

    def test_fifty_thousand_fields_before_a_photo(self, client: Client, ada: User) -> None:
        field = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
        assert post(client, image(), more=field * 50_000).status_code == 400
        assert not RawPayload.objects.exists()


@cache
def zeros_packed() -> bytes:
    """Of 100 MB."""
    return zlib.compress(b"\0" * 100_000_000, 1)


def refusal(body: bytes) -> str:
    with pytest.raises(RefusedError) as refused:
        verify(body)
    return str(refused.value)


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """A PNG with one more chunk, after its header."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:33] + chunk + png[33:]


def gif_of(frames: int) -> bytes:
    """The same small frame, so many times."""
    one = image("GIF", (8, 8))
    start = one.index(b"\x2c")
    return one[:start] + one[start:-1] * frames + b";"


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    one = image("JPEG", progressive=True)
    return one[:-2] + one[one.rindex(b"\xff\xda") : -2] * count + one[-2:]
