"""How much of an uploaded file is taken into memory: the limit, and one byte to tell that there was more."""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from notifications.conf import conf


class BoundedMemoryUpload(FileUploadHandler):
    """For FILE_UPLOAD_HANDLERS: reads all that is sent, keeps the first `raw_max_body_bytes` + 1."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._kept = BytesIO()
        self._room = conf.raw_max_body_bytes + 1

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        self._kept.write(raw_data[: self._room])
        self._room -= min(self._room, len(raw_data))
        return None

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        size = self._kept.tell()
        self._kept.seek(0)
        return InMemoryUploadedFile(
            self._kept,
            self.field_name,
            self.file_name,
            self.content_type,
            size,
            self.charset,
            self.content_type_extra,
        )
