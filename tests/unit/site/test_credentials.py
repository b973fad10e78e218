"""Secrets from systemd's LoadCredential=, by a real environment."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from proppy.environment import Env, Variables


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(Env, "ENVIRON", Variables())  # without what others have read
    for name in ("A_SECRET", "A_SECRET_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "proppy_A_SECRET").write_text("#$=\\ 'é'\n")
    return tmp_path


def read() -> str:
    value: str = Env().str("A_SECRET", default="nothing")
    return value


@pytest.mark.usefixtures("credentials")
def test_a_credential_stands_for_a_variable() -> None:
    assert read() == "#$=\\ 'é'"


@pytest.mark.usefixtures("credentials")
def test_a_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "of the environment")
    assert read() == "of the environment"


def test_a_named_file_wins(credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (credentials / "other").write_text("of the file\n")
    monkeypatch.setenv("A_SECRET_FILE", str(credentials / "other"))
    assert read() == "of the file"


def test_without_one_there_is_the_default(credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (credentials / "proppy_A_SECRET").unlink()
    assert read() == "nothing"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert read() == "nothing"


def test_one_that_is_no_text_is_named(credentials: Path) -> None:
    (credentials / "proppy_A_SECRET").write_bytes(b"\xff\xfe")
    with pytest.raises(ImproperlyConfigured, match="The credential A_SECRET cannot be read"):
        read()
    (credentials / "proppy_A_SECRET").unlink()
    (credentials / "proppy_A_SECRET").mkdir()
    with pytest.raises(ImproperlyConfigured, match="The credential A_SECRET"):
        read()


@pytest.mark.usefixtures("credentials")
def test_only_names_of_variables_are_looked_for() -> None:
    with pytest.raises(KeyError):
        Variables()["../proppy_A_SECRET"]
