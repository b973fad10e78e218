"""A shop as django-oscar's guide has it: what comes to a stock project in `site_of_theirs`."""

from typing import Final

SETTINGS: Final = """
from oscar.defaults import *
from site_of_theirs.settings import *

DASHBOARD = "reports users orders catalogue offers partners pages ranges reviews vouchers communications shipping"
APPS = (
    "analytics checkout address shipping catalogue communication partner basket payment offer order customer search"
    " voucher wishlists dashboard"
)
INSTALLED_APPS += [
    "django.contrib.sites", "django.contrib.flatpages", "oscar.config.Shop",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    *[f"oscar.apps.{name}.apps.{name.title()}Config" for name in APPS.split()],
    *[f"oscar.apps.dashboard.{name}.apps.{name.title()}DashboardConfig" for name in DASHBOARD.split()],
    "widget_tweaks", "haystack", "treebeard", "sorl.thumbnail", "django_tables2",
]
SITE_ID = 1
MIDDLEWARE += [
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "oscar.apps.search.context_processors.search_form",
    "oscar.apps.checkout.context_processors.checkout",
    "oscar.apps.communication.notifications.context_processors.notifications",
    "oscar.core.context_processors.metadata",
]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend", "django.contrib.auth.backends.ModelBackend",
]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
ROOT_URLCONF = "site_of_theirs.shop_urls"
"""
URLS: Final = """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
"""
FILES: Final = {"site_of_theirs/shop_settings.py": SETTINGS, "site_of_theirs/shop_urls.py": URLS}
