"""What deploy/install and deploy/rollback decide; tests/system runs them."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.operate import environment, install, machine_check, release, restore_command, rollback, sandbox, services
from deploy.operate.machine import Failed, Machine
from tests.support.child import BASE_DIR


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("manage.py", "app/__pycache__/x.pyc", ".env", "var/secret", ".venv/x", "app/code.py", ".env.example"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_data_and_secrets_of_a_checkout_are_no_release(source: Path) -> None:
    assert release.source_files(source) == [Path(name) for name in (".env.example", "app/code.py", "manage.py")]


def test_git_says_what_is_code(source: Path) -> None:
    (source / ".gitignore").write_text(".env\nvar\n.venv\n__pycache__\n")
    subprocess.run(["git", "init", "-q"], cwd=source, check=True)
    names = [".env.example", ".gitignore", "app/code.py", "manage.py"]
    assert release.source_files(source) == [Path(name) for name in names]


def test_the_name_changes_with_the_content(source: Path) -> None:
    files = release.source_files(source)
    before = release.content_hash(source, files)
    assert release.content_hash(source, files) == before
    (source / "manage.py").write_text("other")
    assert release.content_hash(source, files) != before


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | None], Path]:
    """Makes a release that has started once, and knows which one it came after."""

    def make(name: str, before: str | None) -> Path:
        path = tmp_path / "releases" / name
        path.mkdir(parents=True)
        if before is not None:
            (path / release.COMPLETE).write_text(before)
        return path

    monkeypatch.setattr(release, "RELEASES", tmp_path / "releases")
    return make


def test_releases_with_the_same_requirements_share_an_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make(_: Machine, folder: Path, requirements: Path) -> None:
        folder.mkdir(parents=True)
        if requirements.read_text() == "wrong":
            raise Failed("pip finds nothing")
        (folder / environment.WHOLE).touch()
        made.append(folder.rename(folder.with_name(f"{folder.name}-{len(made)}")))  # not within a second

    def of(requirements: str, *, rebuild: bool = False) -> Path:
        (tmp_path / "base.txt").write_text(requirements)
        return environment.environment(Machine(), tmp_path / "base.txt", rebuild=rebuild)

    monkeypatch.setattr(environment, "ENVIRONMENTS", tmp_path / "environments")
    monkeypatch.setattr(environment, "make", make)
    of("a")
    assert of("a") == made[0]
    of("b")
    of("a", rebuild=True)
    assert len(made) == 3
    assert of("a") == made[2]
    with pytest.raises(Failed):
        of("wrong")
    assert set(made) == set((tmp_path / "environments").iterdir())
    (made[2] / environment.WHOLE).unlink()  # its installation was interrupted
    assert of("a") == made[0]
    (tmp_path / "link").symlink_to(made[0])
    environment.remove_unused(Machine(), [tmp_path / "link"])
    assert [made[0]] == list((tmp_path / "environments").iterdir())


def test_roll_back_chooses_the_one_before(installed: Callable[[str, str | None], Path]) -> None:
    """C was bad, B was in use again when D was installed."""
    a, b, c = installed("a", ""), installed("b", "a"), installed("c", "b")
    installed("cc", None)  # never started
    d = installed("d", "b")
    there = release.complete()
    assert there == [a, b, c, d]
    assert [rollback.choose(there, now, None) for now in (d, c, b)] == [b, b, a]
    assert rollback.choose(there, a, "d") == d
    with pytest.raises(Failed, match="no release before a"):
        rollback.choose(there, a, None)
    with pytest.raises(Failed, match=r"no release '4'. There are: a, b, c, d"):
        rollback.choose(there, a, "4")


def test_roll_back_chooses_the_next_in_age_where_that_is_not_known(
    installed: Callable[[str, str | None], Path],
) -> None:
    """For an older release without a recorded predecessor; and if the predecessor was removed."""
    a, b, c = installed("a", ""), installed("b", ""), installed("c", "removed")
    assert [rollback.choose([a, b, c], now, None) for now in (c, b)] == [b, a]


def test_a_checkout_that_is_in_use_makes_no_release(
    installed: Callable[[str, str | None], Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or runs without a change would push those out that can be gone back to."""
    name = f"20260101-000000-{release.content_hash(source, release.source_files(source))}"
    used = installed(name, "")
    monkeypatch.setattr(release, "CURRENT", used)
    assert release.build(Machine(), source) == used
    assert release.build(Machine(dry_run=True), source, rebuild=True) != used
    (source / "manage.py").write_text("changed")
    assert release.build(Machine(dry_run=True), source) != used


def test_a_checkout_that_was_rolled_back_from_makes_no_release_either(
    installed: Callable[[str, str | None], Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be older than the one in use too: the roll-back then leads to that one."""
    name = release.content_hash(source, release.source_files(source))
    older, other = (
        installed(f"20260101-000000-{name}", ""),
        installed("20260102-000000-other", f"20260101-000000-{name}"),
    )
    monkeypatch.setattr(release, "CURRENT", other)
    assert release.build(Machine(), source) == older
    newer = installed(f"20260103-000000-{name}", other.name)
    installed(f"20260104-000000-{name}", None)  # never started
    assert release.build(Machine(), source) == newer
    (older / release.COMPLETE).write_text(other.name)
    assert rollback.choose(release.complete(), older, None) == other


def test_a_release_that_was_there_survives_an_installation_that_fails(
    installed: Callable[[str, str | None], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Failed("check")

    there, new = installed("there", ""), installed("new", None)
    monkeypatch.setattr(install, "prepare", lambda _: None)
    monkeypatch.setattr(install, "check_and_migrate", refuse)
    for built in (there, new):
        monkeypatch.setattr(release, "build", lambda *_, built=built, **__: built)
        with pytest.raises(Failed, match="check"):
            install.install(Machine())
    assert (there.exists(), new.exists()) == (True, False)


def test_a_machine_without_d_bus_is_told_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/systemctl")
    monkeypatch.setattr(services, "systemd_version", lambda: machine_check.SYSTEMD)
    monkeypatch.setattr(machine_check, "BUS", tmp_path / "bus")
    with pytest.raises(Failed, match="apt-get install dbus"):
        machine_check.check_machine()
    machine_check.BUS.touch()
    machine_check.check_machine()


def test_a_restore_waits_for_the_servers_before_it_asks_whether_their_socket_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd closes it once they have ended, which may take half a minute."""
    (tmp_path / "open").touch()
    program = tmp_path / "systemctl"
    program.write_text(f"""#!/bin/sh
case "$*" in
    stop*) rm -f {tmp_path}/open;;
    *proppy-web.socket) [ -e {tmp_path}/open ] && echo active || echo inactive;;
    *) echo deactivating;;
esac
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(services, "STOPPING", 0)
    monkeypatch.setattr(sandbox, "command", lambda *_, **__: ["true"])
    restore_command.restore(tmp_path, None)
    program.write_text("#!/bin/sh\necho active\n")
    with pytest.raises(Failed, match="would write meanwhile"):
        restore_command.restore(tmp_path, None)


def test_nothing_is_installed_on_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services that it restarts could not start there, those of the release before neither."""
    free = {tmp_path / "opt": machine_check.ROOM, tmp_path / "var": machine_check.ROOM - 1}
    for name, path in zip(("HOME", "STATE"), free, strict=True):
        path.mkdir()
        monkeypatch.setattr(machine_check, name, path / "proppy")  # which the first installation makes
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[path]))
    with pytest.raises(Failed, match="511 MiB are free"):
        machine_check.check_room()
    free[tmp_path / "var"] += 1
    machine_check.check_room()


@pytest.mark.parametrize(("version", "name"), [(252, "before-254"), (254, "from-254"), (257, "from-254")])
def test_each_restarted_unit_gets_what_its_systemd_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, name: str
) -> None:
    monkeypatch.setattr(services, "UNITS", tmp_path / "system")
    monkeypatch.setattr(services, "SYSTEMD", tmp_path)
    monkeypatch.setattr(services, "systemd_version", lambda: version)
    monkeypatch.setattr(Machine, "run", lambda *_, **__: None)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 0, "", ""))
    services.install_units(Machine(), BASE_DIR)
    wanted = (BASE_DIR / "deploy" / "restarts" / f"{name}.conf").read_text()
    found = {path.parent.name: path.read_text() for path in tmp_path.glob("system/*/20-restarts.conf")}
    units = {path.name for path in (tmp_path / "system").glob("*.service") if "\nRestart=" in path.read_text()}
    assert found == {f"{unit}.d": wanted for unit in {*units, services.JOURNAL}}
    # An older release has no such file, and its units report by themselves.
    (tmp_path / "old" / "deploy").mkdir(parents=True)
    (tmp_path / "old" / "deploy" / "journald@proppy.conf").touch()
    services.install_units(Machine(), tmp_path / "old")
    assert not list(tmp_path.glob("system/*/20-restarts.conf"))


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ("A=1\nALLOWED_HOSTS=\n", "ALLOWED_HOSTS is empty"),
        ("ALLOWED_HOSTS=", "ALLOWED_HOSTS is empty"),
        ("ALLOWED_HOSTS=a\nPORT=80\n", "PORT is no longer a setting.*ListenStream="),
        ("HOST=::\nALLOWED_HOSTS=a\n", "HOST is no longer a setting.*ListenStream="),
    ],
)
def test_settings_that_would_be_in_vain_stop_an_installation(env: str, says: str) -> None:
    with pytest.raises(Failed, match=says):
        install.check_settings(env)


def test_other_settings_are_for_the_site_to_judge() -> None:
    install.check_settings("#PORT=1\nALLOWED_HOSTS=a\nEMAIL_HOST=x\n")


def test_static_files_are_whole_or_not_there(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, to: Path) -> None:
        to.write_text("half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copy", full)
        with pytest.raises(OSError, match="No space"):
            release.add_missing(source / "app", tmp_path / "static")
    assert not (tmp_path / "static" / "code.py").exists()
    release.add_missing(source / "app", tmp_path / "static")
    assert (tmp_path / "static" / "code.py").read_text() == "app/code.py"


@pytest.mark.parametrize("before", [None, "the one before"])
@pytest.mark.parametrize("error", [Failed("it does not start"), OSError(28, "No space left"), KeyboardInterrupt()])
def test_whatever_stops_a_switch_the_one_before_is_used_again(
    installed: Callable[[str, str | None], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: BaseException,
    before: str | None,
) -> None:
    def start(_: Machine) -> None:
        if (tmp_path / "current").readlink() == new:
            raise error

    new, old = installed("new", None), installed(before, "") if before else None
    monkeypatch.setattr(install, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(services, "install_units", lambda *_: None)
    monkeypatch.setattr(services, "start", start)
    with pytest.raises(Failed if old and not isinstance(error, KeyboardInterrupt) else type(error)):
        install.switch(Machine(), new, old)
    assert (tmp_path / "current").readlink() == (old or new)


def test_roll_back_names_newer_migrations(tmp_path: Path) -> None:
    for path in ("old/app/migrations/0001_a.py", "new/app/migrations/0001_a.py", "new/app/migrations/0002_b.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert rollback.unknown_migrations(tmp_path / "old", tmp_path / "new") == ["app/0002_b"]
    assert rollback.unknown_migrations(tmp_path / "new", tmp_path / "old") == []


def test_roll_back_asks_the_database_what_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = "[X]  app.0001_a\n[X]  app.0002_b ... (done)\n[ ]  app.0003_c\n"
    done = [subprocess.CompletedProcess([], 0, plan), subprocess.CompletedProcess([], 1, "")]
    monkeypatch.setattr(sandbox, "manage", lambda *_: [])
    monkeypatch.setattr("subprocess.run", lambda *_, **__: done.pop(0))
    names = ["app/0002_b", "app/0003_c"]
    assert rollback.left_applied(Machine(), names, tmp_path) == ["app/0002_b"]
    assert rollback.left_applied(Machine(), names, tmp_path) == names, "it does not answer"
    assert rollback.left_applied(Machine(), [], tmp_path) == []


def test_a_command_has_the_services_sandbox() -> None:
    words = sandbox.manage(BASE_DIR, "check", "--deploy")
    for setting in ("User=proppy", "ProtectSystem=strict", "LoadCredential=proppy:/etc/proppy/credentials"):
        assert f"--property={setting}" in words
    assert f"--property=After={services.JOURNAL}" in words, "a shutdown would stop its journal first"
    assert words[words.index("--") :] == ["--", f"{BASE_DIR}/deploy/run", "python", "manage.py", "check", "--deploy"]
    assert not any("Condition" in word for word in words)


def test_a_dry_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine(dry_run=True)
    machine.folder(tmp_path / "folder", 0o700)
    machine.write(tmp_path / "file", b"content")
    machine.link(tmp_path / "link", tmp_path)
    machine.run(["touch", tmp_path / "touched"])
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.count("would ") == 4


def test_a_link_moves_at_once_and_a_file_is_whole(tmp_path: Path) -> None:
    machine = Machine()
    for target in (tmp_path / "a", tmp_path / "b"):
        machine.link(tmp_path / "link", target)
        assert (tmp_path / "link").readlink() == target
    assert machine.write(tmp_path / "file", b"content", 0o600)
    assert not machine.write(tmp_path / "file", b"content", 0o600)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"link", "file"}


def test_a_program_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"sh -c echo why; exit 3: exit status 3\nwhy"):
        Machine().run(["sh", "-c", "echo why; exit 3"])
