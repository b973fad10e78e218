"""Limits the memory for all uploaded files of one request together to the limit of one body."""

from io import SEEK_END, BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from notifications.conf import conf


class BoundedMemoryUpload(FileUploadHandler):
    """For FILE_UPLOAD_HANDLERS: reads all that is sent, keeps the first `raw_max_body_bytes`.

    Anybody can post 100 files to any page: the CSRF middleware parses them before a view can check the user. Django
    makes a handler for each request. A file's `size` is what was sent, even if less was kept.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._room = conf.raw_max_body_bytes

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._kept = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        self._room -= self._kept.write(raw_data[: self._room])
        return None

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._kept.seek(0)
        return InMemoryUploadedFile(
            self._kept,
            self.field_name,
            self.file_name,
            self.content_type,
            file_size,
            self.charset,
            self.content_type_extra,
        )


def is_whole(file: "UploadedFile[bytes]") -> bool:
    """Whether the whole file was kept."""
    kept: int = file.seek(0, SEEK_END)
    file.seek(0)
    return kept == (file.size or 0)
