from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile
from django.test import Client

from notifications import GiveUp
from notifications.models import RawPayload, State
from proppy.models import Photo
from proppy.uploads import BoundedMemoryUpload
from tests.support.in_process import Told, work_again, work_off
from tests.support.site import image

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def upload(client: Client, body: bytes) -> Any:
    return client.post("/photos/", {"photo": SimpleUploadedFile("p.png", body, "image/png")})


def test_the_request_only_keeps_the_bytes(client: Client, ada: User, media: Path, told: Told) -> None:
    answer = upload(client, b"not looked at")

    assert (answer.status_code, answer["Location"]) == (302, "/")
    payload = RawPayload.objects.get(source="photo")
    assert payload.body == b"not looked at"
    assert payload.headers == {"x-request-id": answer["X-Request-ID"]}
    photo = Photo.objects.get(owner=ada, receipt=payload.receipt)
    assert (photo.state, photo.file.name) == (Photo.State.WAITING, "")
    assert list(media.iterdir()) == []
    assert told.lines() == ["REPORT: photo upload", "TRACE: POST /photos/ 302"]


def test_a_photo_is_shown_once_it_is_verified(client: Client, ada: User, told: Told) -> None:
    upload(client, image())
    photo = Photo.objects.get()
    assert client.get(f"/photos/{photo.pk}/").status_code == 404
    assert "Being checked" in client.get("/").text
    told.events()

    assert [payload.state for payload in work_off()] == [State.DONE]

    answer = client.get(f"/photos/{photo.pk}/")
    assert answer.getvalue() == image()
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"].startswith("private")
    answer.close()
    assert f'src="/photos/{photo.pk}/"' in client.get("/").text
    assert told.lines() == ["SLACK: Ada uploaded a photo (64 x 48)"]


def test_nobody_else_sees_it(client: Client, ada: User) -> None:
    upload(client, image())
    work_off()
    pk = Photo.objects.get().pk
    stranger = Client()

    assert stranger.get(f"/photos/{pk}/").status_code == 404
    stranger.force_login(User.objects.create_user("eve@example.org"))
    assert stranger.get(f"/photos/{pk}/").status_code == 404


def test_a_repeated_attempt_leaves_one_file_and_one_photo(client: Client, ada: User, media: Path) -> None:
    upload(client, image())
    [payload] = work_off()
    first = Photo.objects.get().file.name or ""
    work_again(payload)

    photo = Photo.objects.get()
    assert (photo.state, photo.file.name) == (Photo.State.SHOWN, first)
    assert [path.name for path in media.rglob("*.png")] == [f"{photo.receipt}.png"]
    with default_storage.open(first) as stored:
        assert stored.read() == image()


def test_a_file_that_is_gone_is_not_found(client: Client, ada: User, media: Path) -> None:
    upload(client, image())
    work_off()
    photo = Photo.objects.get()
    (media / str(photo.file.name)).unlink()
    assert client.get(f"/photos/{photo.pk}/").status_code == 404


def test_a_repeated_attempt_never_takes_the_file_away(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("between here and the save nobody could see the photo")

    upload(client, image())
    [payload] = work_off()
    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.delete", fail)
    assert work_again(payload).state == State.DONE


def test_what_is_no_photo_is_refused_with_a_reason_and_not_tried_again(
    client: Client, ada: User, media: Path, told: Told
) -> None:
    upload(client, b"<svg xmlns='http://www.w3.org/2000/svg'/>")

    assert [payload.state for payload in work_off()] == [State.DONE]

    photo = Photo.objects.get()
    assert photo.state == Photo.State.REFUSED
    assert client.get(f"/photos/{photo.pk}/").status_code == 404
    assert photo.reason in client.get("/").text
    assert list(media.iterdir()) == []
    assert "SLACK: A photo by Ada was refused: This is not a JPEG" in " ".join(told.lines())


def test_a_storage_that_is_away_means_another_attempt(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    upload(client, image())
    with monkeypatch.context() as patch:
        patch.setattr("django.core.files.storage.FileSystemStorage.save", away)
        [payload] = work_off()
    assert payload.state == State.RETRYING
    assert Photo.objects.get().state == Photo.State.WAITING

    work_again(payload)
    assert Photo.objects.get().state == Photo.State.SHOWN


def test_a_photo_that_nothing_could_be_done_for_does_not_wait_for_ever(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(body: bytes) -> None:
        raise GiveUp("a bug")

    upload(client, image())
    monkeypatch.setattr("proppy.handlers.verify", break_down)

    assert [payload.state for payload in work_off()] == [State.DEAD]
    photo = Photo.objects.get()
    assert photo.state == Photo.State.REFUSED
    assert "on our side" in photo.reason


def test_the_photo_of_somebody_who_has_left_is_no_failure(client: Client, ada: User, told: Told) -> None:
    upload(client, image())
    ada.delete()
    told.events()

    assert [payload.state for payload in work_off()] == [State.DONE]
    assert told.lines() == []


def test_strangers_are_asked_to_sign_up(client: Client) -> None:
    answer = client.post("/photos/", {"photo": SimpleUploadedFile("p.png", image())}, follow=True)

    assert answer.redirect_chain == [("/sign-up/", 302)]
    assert "Please sign up or sign in first" in answer.text
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize(
    ("body", "message"), [(b"x" * 101, "This file is too large."), (b"", "The submitted file is empty.")]
)
def test_size_is_an_error_beside_the_field(client: Client, ada: User, settings: Any, body: bytes, message: str) -> None:
    settings.NOTIFICATIONS_RAW_MAX_BODY_BYTES = 100

    page = upload(client, body)

    assert page.status_code == 200
    assert message in " ".join(page.context["photo"].errors["photo"])
    assert 'id="photo-photo_error"' in page.text
    assert not RawPayload.objects.exists()


def test_the_form_says_how_large_a_photo_may_be(client: Client, ada: User) -> None:
    assert "at most 10.0\xa0MB." in client.get("/").text


def test_the_address_that_a_refused_upload_leaves_leads_home(client: Client) -> None:
    answer = client.get("/photos/")
    assert (answer.status_code, answer["Location"]) == (302, "/")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes in memory, of each uploaded file."""
    sizes: list[int] = []
    complete = BoundedMemoryUpload.file_complete

    def note(handler: BoundedMemoryUpload, file_size: int) -> InMemoryUploadedFile:
        file = complete(handler, file_size)
        sizes.append(len(file.read()))
        file.seek(0)
        return file

    monkeypatch.setattr(BoundedMemoryUpload, "file_complete", note)
    return sizes


def test_of_an_endless_upload_only_the_limit_is_held(client: Client, ada: User, settings: Any, kept: list[int]) -> None:
    settings.NOTIFICATIONS_RAW_MAX_BODY_BYTES = 100

    page = upload(client, b"x" * 1_000_000)
    assert "too large" in page.context["photo"].errors["photo"][0]
    assert kept == [100]

    assert upload(client, b"x" * 100).status_code == 302
    assert RawPayload.objects.get().size == 100


def test_all_files_of_a_request_share_the_limit(client: Client, ada: User, settings: Any, kept: list[int]) -> None:
    settings.NOTIFICATIONS_RAW_MAX_BODY_BYTES = 100
    others = [SimpleUploadedFile("o.png", b"o" * 60) for _ in range(50)]

    page = client.post("/photos/", {"other": others, "photo": SimpleUploadedFile("p.png", b"x" * 60)})

    assert kept == [60, 40] + [0] * 49
    assert "too large" in page.context["photo"].errors["photo"][0]  # and not stored cut off
    assert not RawPayload.objects.exists()


def test_files_within_the_limit_are_whole(client: Client, ada: User, settings: Any) -> None:
    settings.NOTIFICATIONS_RAW_MAX_BODY_BYTES = 100
    other, photo = SimpleUploadedFile("o.png", b"o" * 60), SimpleUploadedFile("p.png", b"x" * 40)

    assert client.post("/photos/", {"other": other, "photo": photo}).status_code == 302
    assert RawPayload.objects.get().body == b"x" * 40


def test_without_a_token_a_friendly_page_says_what_to_do(ada: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)

    answer = upload(strict, image())

    assert answer.status_code == 403
    assert "Please send it again" in answer.text
