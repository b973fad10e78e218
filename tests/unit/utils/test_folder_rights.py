"""Which folders of this user are not its own to use. As root nothing is refused: those tests are skipped."""

import errno
import os
import pwd
from pathlib import Path
from typing import Final

import pytest

from notifications.utils.folder_rights import explain, nearest, refused_in

ordinary = pytest.mark.skipif(os.getuid() == 0, reason="root may do anything")
ME: Final = pwd.getpwuid(os.getuid()).pw_name
#: Belongs to root on each Linux, and nobody else may write there.
OF_ROOT: Final = Path("/usr")


def test_what_is_ours_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "SLACK").touch()
    (tmp_path / "gone").symlink_to("nowhere")
    assert refused_in(tmp_path, ["locks", "missing", "gone"]) == []
    assert refused_in(tmp_path / "not" / "made" / "yet") == []


@ordinary
def test_a_folder_of_root_is_named_with_its_owner_and_the_command() -> None:
    (refused,) = refused_in(OF_ROOT)
    assert str(refused) == f"/usr belongs to root, and {ME} may not use it: as root, chown -R {ME}: /usr"
    (refused,) = refused_in(OF_ROOT / "proppy" / "state")
    assert refused.path == OF_ROOT


@ordinary
def test_rights_that_its_owner_has_taken_away(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir(mode=0o500)
    (refused,) = refused_in(tmp_path, ["a b"])
    assert str(refused).endswith(f"who has taken away their own rights: chmod -R u+rwX '{folder}'")


@ordinary
@pytest.mark.parametrize("inner", ["locks/SLACK", "journal/00000001.journal", "bodies/ab", "spool.bytes"])
def test_things_inside_that_stop_a_worker(tmp_path: Path, inner: str) -> None:
    path = tmp_path / inner
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if path.parent.name == "bodies" else path.touch()
    path.chmod(0)
    (refused,) = refused_in(tmp_path, ["locks", "journal", "bodies", "spool.bytes"])
    path.chmod(0o700)
    assert refused.path == path


@ordinary
def test_things_inside_that_cost_only_themselves(tmp_path: Path) -> None:
    """A file set aside in the spool, another program's lost+found, and a full file of the journal."""
    for name, mode in {"spool/0a.unreadable": 0, "lost+found/x": 0, "journal/00000001.journal": 0o440}.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.touch(mode)
    (tmp_path / "lost+found").chmod(0)
    assert refused_in(tmp_path, ["spool", "journal"]) == []
    (tmp_path / "lost+found").chmod(0o700)


@ordinary
def test_a_folder_that_cannot_be_looked_into_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "top" / "locks").mkdir(parents=True)
    (tmp_path / "top").chmod(0)
    assert [each.path for each in refused_in(tmp_path / "top", ["locks", "spool"])] == [tmp_path / "top"]
    (tmp_path / "top").chmod(0o700)


def test_a_file_system_that_takes_no_writes() -> None:
    """/sys is one for everybody in a container, and nowhere can a file be made there."""
    if not os.statvfs("/sys").f_flag & os.ST_RDONLY or os.access("/sys", os.W_OK):
        pytest.skip("/sys is writable here")
    (refused,) = refused_in(Path("/sys"))
    assert str(refused) == "/sys is on a read-only file system: mount it writable, or name another folder"


@ordinary
def test_an_error_of_missing_rights_is_explained_and_no_other() -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011  either of both errors
        (OF_ROOT / "proppy").mkdir()
    assert explain(raised.value).startswith("/usr belongs to root")
    assert explain(OSError(errno.ENOSPC, "No space left", "/usr/x")) == ""
    assert explain(PermissionError(errno.EACCES, "of a socket")) == ""


def test_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert nearest(tmp_path / "a" / "b") == tmp_path
    assert nearest(Path("relative")) == Path()
