"""A certificate authority of the tests, which channels trust."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from notifications.utils.limited_sockets import limited_context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def _trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """OpenSSL's own way to name a further authority."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    limited_context.cache_clear()
    yield
    limited_context.cache_clear()
