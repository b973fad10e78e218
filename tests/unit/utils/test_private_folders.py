import stat
from pathlib import Path

from notifications.utils.private_folders import make_private


def test_makes_all_that_is_missing_for_this_user_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "state" / "journal")
    make_private(tmp_path / "state" / "journal")
    assert [
        stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "state", tmp_path / "state/journal")
    ] == [
        0o755,
        0o700,
        0o700,
    ]
