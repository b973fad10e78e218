"""Says with each answer which process has given it."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from tests.soak.held import PROCESS


class NameProcess:
    """Just behind the statistics of requests: an answer with this header was counted there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        response[PROCESS] = str(os.getpid())
        return response

    @staticmethod
    def at_gate(meta: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return {}, {PROCESS: str(os.getpid())}
