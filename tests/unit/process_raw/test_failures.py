"""Payloads that fail alike are one group, whatever their message; a new kind of failure is told once."""

import importlib
import inspect
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from notifications import GiveUp
from notifications.handlers import payload_handlers
from notifications.models import FailureGroup, RawPayload, ReportRow, State
from notifications.models.failures import QUIET, Noted
from notifications.process_raw import handle_payload
from notifications.process_raw.handle_payload import handle
from notifications.process_raw.time_limit import HUNG
from notifications.signals import payload_handled
from notifications.testing import Told
from notifications.utils.failure_fingerprint import LONGEST_TEXT, LONGEST_TITLE, WORKER_DIED, Failure
from tests.support.payloads import claimed, kept, make_due, release_expired
from tests.support.threads import in_threads

Register = Callable[..., None]


def failure_of(function: Callable[[], Any]) -> Failure:
    try:
        function()
    except BaseException as error:  # noqa: BLE001  what is tested
        return Failure.of(error)
    raise AssertionError("it raised nothing")


def group_of(function: Callable[[], Any]) -> str:
    return failure_of(function).fingerprint


def load(path: Path, source: str) -> ModuleType:
    """Load it as the module `released`, anew."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("released", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def failure_of_engine(parse: Callable[[str], Any]) -> Failure:
    """As if only the engine had called it."""
    with pytest.raises(ValueError, match="Expecting") as caught:
        parse("{")
    assert caught.value.__traceback__ is not None
    return Failure.of(caught.value.with_traceback(caught.value.__traceback__.tb_next))


def price(data: dict[str, int], name: str) -> int:
    return data[name]


def parse(text: str) -> Any:
    return json.loads(text)


class TestFingerprint:
    def test_is_the_same_whatever_the_message(self) -> None:
        first, second = failure_of(lambda: price({}, "price")), failure_of(lambda: price({}, "other"))
        assert first.fingerprint == second.fingerprint
        assert (first.title, second.title) == ("KeyError: 'price'", "KeyError: 'other'")
        assert first.place.startswith("process_raw/test_failures.py:")
        assert first.place.endswith(", price")

    def test_differs_by_type_and_by_line(self) -> None:
        def one() -> None:
            raise ValueError("x")

        def other() -> None:
            raise LookupError("x")

        def elsewhere() -> None:
            raise ValueError("x", "y")

        assert len({group_of(one), group_of(other), group_of(elsewhere)}) == 3

    def test_is_of_ones_own_innermost_line(self) -> None:
        """Not of the standard library's, which two handlers of one's own may share."""
        failure = failure_of(lambda: parse("{"))
        assert failure.title.startswith("JSONDecodeError: ")
        assert failure.place.endswith(", parse")
        assert failure.fingerprint == group_of(lambda: parse('{"a": nothing}'))
        assert failure.fingerprint != group_of(lambda: json.loads("{"))

    def test_survives_a_release_in_another_folder_and_edits_above(self, tmp_path: Path) -> None:
        body = "def parse(body):\n    kind = body['kind']\n    return kind\n"
        sources = [body, f"# new\n\n{body}", body.replace("def parse(body):", "def parse(body):\n    print()")]
        groups, places = set(), []
        for number, source in enumerate(sources):
            module = load(tmp_path / f"release{number}" / "shop.py", source)
            failure = failure_of(lambda module=module: module.parse({}))  # type: ignore[misc]
            groups.add(failure.fingerprint)
            places.append(failure.place)
        assert len(groups) == 1
        assert places == ["release0/shop.py:2, parse", "release1/shop.py:4, parse", "release2/shop.py:3, parse"]

    def test_of_a_project_that_pip_has_installed(self, tmp_path: Path) -> None:
        """All of its code is in site-packages."""
        source = "import json\ndef parse(body):\n    return json.loads(body)\n"
        module = load(tmp_path / "site-packages" / "shop.py", source)
        assert failure_of_engine(module.parse).place == "site-packages/shop.py:3, parse"

    def test_a_recursion_has_one_however_deep_it_started(self) -> None:
        def down(n: int) -> int:
            return up(n + 1)

        def up(n: int) -> int:
            return down(n + 1)

        failure = failure_of(lambda: down(0))
        assert failure.title.startswith("RecursionError")
        assert failure.place.endswith(", down")
        assert failure.fingerprint == group_of(lambda: [[down(0)] for _ in range(1)])
        assert len(failure.text) <= LONGEST_TEXT + 10

    def test_an_exception_group_is_its_first_exception(self) -> None:
        def alone() -> None:
            price({}, "a")

        def in_a_group() -> None:
            try:
                price({}, "b")
            except KeyError as error:
                raise ExceptionGroup("unhandled errors in a TaskGroup", [ExceptionGroup("x", [error])]) from None

        failure = failure_of(in_a_group)
        assert failure.title == "KeyError: 'b'"
        assert failure.fingerprint == group_of(alone)
        assert "unhandled errors in a TaskGroup" in failure.text

    def test_raise_from_is_of_what_was_raised(self) -> None:
        def convert() -> None:
            try:
                price({}, "a")
            except KeyError as error:
                raise ValueError("no price") from error

        failure = failure_of(convert)
        assert (failure.title, failure.place.rpartition(", ")[2]) == ("ValueError: no price", "convert")
        assert "KeyError: 'a'" in failure.text

    def test_a_syntax_error_is_where_it_is_imported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "broken_module.py").write_text("def f(:\n")

        def lazy() -> None:
            importlib.import_module("broken_module")

        failure = failure_of(lazy)
        assert failure.title == "SyntaxError: invalid syntax (broken_module.py, line 1)"
        assert failure.place.endswith(", lazy")

    def test_without_a_line_of_ones_own_it_is_the_type(self) -> None:
        first, other = Failure.of(IntegrityError("a")), Failure.of(IntegrityError("b"))
        assert (first.place, first.fingerprint) == ("", other.fingerprint)
        assert first.fingerprint != Failure.of(ValueError("a")).fingerprint

    def test_code_that_hangs(self) -> None:
        frame = inspect.currentframe()
        assert frame
        failure = Failure.of_frame(HUNG, frame)
        assert failure.place.endswith(", test_code_that_hangs")
        assert "Failure.of_frame(HUNG, frame)" in failure.text
        assert failure.kind == "TimeoutError"


class Hostile(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


class Unspeakable(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name in {"__notes__", "__cause__"}:
            raise ZeroDivisionError
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (Hostile(), "Hostile: (its text cannot be made)"),
        (Unspeakable("x"), "Unspeakable: x"),
        (ValueError("\0\ud800"), "ValueError: \ufffd?"),
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError("x" * 10**7), "ValueError: " + "x" * (LONGEST_TITLE - 12)),
        (ValueError(), "ValueError"),
    ],
)
def test_any_exception_can_be_written_down(error: Exception, title: str) -> None:
    failure = Failure.of(error).cleaned()
    assert failure.title == title
    assert len(failure.text) <= LONGEST_TEXT + 10
    assert failure.text


def test_a_line_for_logs_is_one_line() -> None:
    line = str(Failure.of(ValueError("a\rERROR forged\x1b[2J\u2028\u202e")))
    assert line.startswith("ValueError: a ERROR forged")
    assert line.isprintable()


def note(failure: Failure = WORKER_DIED, source: str = "demo", after: timedelta = timedelta(0)) -> Noted:
    return FailureGroup.objects.note(source, failure, timezone.now() + after)


def new_failures(told: Told) -> list[str]:
    events = [event for event in told.events() if event.data.get("kind") == "new failure"]
    assert {event.name for event in events} <= {"SLACK"}
    return [event.text for event in events]


def fail_with(message: str) -> Callable[[RawPayload], None]:
    def fail(_: RawPayload) -> None:
        raise ValueError(message)

    return fail


@pytest.mark.usefixtures("database")
class TestGroups:
    def test_many_payloads_that_fail_alike_are_one_and_told_once(self, told: Told, on_demo: Register) -> None:
        for number in range(37):
            kept(b"%d" % number)
        for number, payload in enumerate(claimed()):
            on_demo(fail_with(f"secret {number}"))
            handle(payload)
        group = FailureGroup.objects.get()
        assert (group.attempts, group.payloads.count(), group.source) == (37, 37, "demo")
        assert group.title == "ValueError: secret 36"
        assert group.first_at < group.last_at
        (text,) = new_failures(told)
        assert text.startswith("demo fails in a new way: ValueError (process_raw/test_failures.py:")

    def test_nothing_of_a_message_goes_into_the_journal(self, told: Told, on_demo: Register) -> None:
        def give_up(payload: RawPayload) -> None:
            raise GiveUp(f"no customer {payload.body.decode()}")

        on_demo(give_up)
        kept(b"ada@example.org")
        handle(claimed()[0])
        assert FailureGroup.objects.get().title == "GiveUp: no customer ada@example.org"
        assert "ada" not in repr(told.events())

    def test_a_payload_that_succeeds_leaves_its_group(self, told: Told, on_demo: Register) -> None:
        on_demo(fail_with("x"))
        payload = kept()
        handle(claimed()[0])
        assert FailureGroup.objects.get().payloads.get() == payload
        make_due()
        on_demo(lambda _: None)
        handle(claimed(state=State.RETRYING)[0])
        group = FailureGroup.objects.get()
        assert (group.payloads.count(), group.attempts) == (0, 1)

    def test_one_without_a_handler_and_one_whose_worker_died(self, told: Told) -> None:
        payload_handlers.pop("nobody", None)
        kept()
        RawPayload.objects.update(source="nobody")
        handle(claimed()[0])
        kept()
        claimed(lease=-1.0)
        release_expired()
        groups = dict(FailureGroup.objects.values_list("source", "title"))
        assert groups["nobody"].startswith("NoHandler: ")
        assert groups["demo"] == WORKER_DIED.title
        assert set(FailureGroup.objects.values_list("place", flat=True)) == {""}
        assert new_failures(told) == [
            "nobody fails in a new way: NoHandler",
            f"demo fails in a new way: {WORKER_DIED.title}",
        ]

    def test_an_error_in_a_receiver_is_the_receivers(self, told: Told, on_demo: Register) -> None:
        def receiver(**_: Any) -> None:
            ReportRow.objects.get(name="nothing")

        on_demo(lambda _: None)
        kept()
        payload_handled.connect(receiver)
        try:
            handle(claimed()[0])
        finally:
            payload_handled.disconnect(receiver)
        assert FailureGroup.objects.get().place.endswith(", receiver")

    @pytest.mark.parametrize("message", ["\0", "\ud800", "x" * 100_000])
    def test_any_text_is_stored(
        self, told: Told, on_demo: Register, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # pytest-xdist cannot hand on what it would capture.
        monkeypatch.setattr(handle_payload.logger, "disabled", True)
        on_demo(fail_with(message))
        kept()
        handle(claimed()[0])
        assert FailureGroup.objects.get().title.startswith("ValueError: ")

    def test_two_workers_at_once_tell_it_once(self, told: Told, on_demo: Register) -> None:
        on_demo(fail_with("x"))
        for _ in range(24):
            kept()
        in_threads(4, lambda _: [handle(payload) for payload in claimed(6)])
        assert FailureGroup.objects.get().attempts == 24
        assert len(new_failures(told)) == 1


class TestNote:
    def test_threads_that_note_the_same_new_group(self, database: None) -> None:
        noted = in_threads(6, lambda _: note())
        assert len({each.pk for each in noted}) == 1
        assert [each.new for each in noted].count(True) == 1
        assert FailureGroup.objects.get().attempts == 6

    def test_a_group_that_another_has_just_made_is_new_once(
        self, database: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is there, not counted yet, between the first look at it and the second."""
        queryset = type(FailureGroup.objects.all())
        update = queryset.update

        def make_after_first(self: Any, **values: Any) -> int:
            updated = update(self, **values)
            FailureGroup.objects.get_or_create(source="demo", **key, defaults={"first_at": now, "last_at": now})
            return updated

        now, key = timezone.now(), {"fingerprint": WORKER_DIED.fingerprint}
        monkeypatch.setattr(queryset, "update", make_after_first)
        assert [note().new, note().new] == [True, False]
        assert FailureGroup.objects.get().attempts == 2

    def test_sources_have_groups_of_their_own(self, database: None) -> None:
        assert [note(source="a").new, note(source="b").new, note(source="a").new] == [True, True, False]

    def test_is_new_again_after_a_day_of_silence(self, database: None) -> None:
        times = [timedelta(0), QUIET / 2, QUIET, 2 * QUIET + timedelta(seconds=5), 2 * QUIET + timedelta(seconds=6)]
        assert [note(after=after).new for after in times] == [True, False, False, True, False]
        group = FailureGroup.objects.get()
        assert (group.attempts, group.last_at - group.first_at > QUIET) == (5, True)

    def test_a_group_that_is_pruned_meanwhile_is_made_again(
        self, database: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the moment it is found to be there, and its update."""
        note()
        queryset = type(FailureGroup.objects.all())
        update, calls = queryset.update, 0

        def prune_first(self: Any, **values: Any) -> int:
            nonlocal calls
            calls += 1
            if calls == 1:
                FailureGroup.objects.all().delete()
            return update(self, **values)

        monkeypatch.setattr(queryset, "update", prune_first)
        assert note().new
        assert FailureGroup.objects.get().attempts == 1
