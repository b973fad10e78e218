"""The site's pages, and one that fails."""

from typing import NoReturn

from django.http import HttpRequest
from django.urls import path

from proppy import urls

handler400, handler500 = urls.handler400, urls.handler500


def fails(request: HttpRequest, number: int) -> NoReturn:
    raise ArithmeticError("the page has a bug")


urlpatterns = [*urls.urlpatterns, path("fails/<int:number>/", fails)]
