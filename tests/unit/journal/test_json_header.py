"""What the file journal and the memory journal vouch for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifications.journal import FileJournal, Journal, as_text
from notifications.journal.json_header import dump_header
from notifications.journal.json_lines import dump_fields, parse
from tests.support.journals import exit_code, in_child, write, written

COMM = Path("/proc/self/comm")

pytestmark = pytest.mark.skipif(not COMM.exists(), reason="needs Linux")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = FileJournal(tmp_path / "journal")
    yield opened
    opened.close()


@pytest.mark.parametrize("name", [b'a "b" \\', b"a,\n}{", b"\xff\xfe", "é€🎉".encode()])
def test_any_name_of_a_process_comes_back_and_forges_nothing(journal: Journal, name: bytes) -> None:
    write(journal, "parent")

    def child() -> None:
        COMM.write_bytes(name)
        write(journal, "child")

    assert exit_code(in_child(child)) == 0
    parent, renamed = written(journal)
    assert parent.fields["_COMM"] == COMM.read_text().removesuffix("\n")
    assert as_text(renamed.fields["_COMM"]).encode("utf-8", "surrogateescape") == name
    assert renamed.fields["MESSAGE"] == "child"


def test_where_there_is_no_proc_the_name_is_that_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/a-program-of-a-long-name"])
    monkeypatch.setattr(Path, "read_bytes", _missing)

    def child() -> None:  # asks for its name again
        fields = parse(dump_header(1) + dump_fields({"MESSAGE": "x"}))
        assert fields is not None
        assert fields["_COMM"] == "a-program-of-a-"

    assert exit_code(in_child(child)) == 0


def _missing(path: Path) -> bytes:
    raise FileNotFoundError(path)
