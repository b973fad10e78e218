"""What a visitor sees while the site's database is locked, and what the log says."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client

from proppy.error_views import RETRY_AFTER
from proppy.log import ShortOutages


@pytest.fixture
def visitor(sqlite_file: Path) -> Client:
    connection.settings_dict["OPTIONS"]["timeout"] = 0.05
    return Client(raise_request_exception=False)


def sign_up(visitor: Client) -> int:
    return visitor.post("/sign-up/", {"name": "Ada", "email": "ada@example.com"}).status_code


def test_a_locked_database_is_a_page_that_says_when_to_come_back(visitor: Client, sqlite_file: Path) -> None:
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = visitor.post("/sign-up/", {"name": "Ada", "email": "ada@example.com"})
    assert answer.status_code == 503
    assert answer["Retry-After"] == str(RETRY_AFTER)
    assert "no-store" in answer["Cache-Control"]
    assert "default-src" in answer["Content-Security-Policy"]
    assert "One moment, please" in answer.content.decode()
    assert sign_up(visitor) == 302


def test_another_error_is_still_our_fault(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proppy.views.SignUpForm", None)
    answer = visitor.get("/sign-up/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()


def test_the_log_has_one_line_of_it(visitor: Client, sqlite_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(outages := ShortOutages())
    try:
        with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert sign_up(visitor) == 503
    finally:
        caplog.handler.removeFilter(outages)
    (record,) = [record for record in caplog.records if record.name == "django.request"]
    assert record.getMessage() == "Service Unavailable: /sign-up/: database is locked"
    assert record.exc_info is None
    assert record.levelno == logging.ERROR


def test_a_session_that_could_not_be_saved_is_no_bad_request(
    visitor: Client, sqlite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response saves it, when the view has committed; Django calls that an interrupted session, status 400."""
    assert sign_up(visitor) == 302
    other = sqlite3.connect(sqlite_file, isolation_level=None, check_same_thread=False)

    def remember(request: HttpRequest, *_: object) -> HttpResponse:
        request.session["seen"] = True
        other.execute("BEGIN IMMEDIATE")
        return HttpResponse("seen")

    monkeypatch.setattr("proppy.views.render", remember)
    with closing(other):
        assert visitor.get("/").status_code == 503


def test_a_session_that_somebody_has_ended_is_no_outage(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sign_up(visitor) == 302

    def end(request: HttpRequest, *_: object) -> HttpResponse:
        request.session["seen"] = True
        Session.objects.all().delete()
        return HttpResponse("seen")

    monkeypatch.setattr("proppy.views.render", end)
    assert visitor.get("/").status_code == 400
