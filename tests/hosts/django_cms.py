"""A site as django CMS' guide has it: what comes to a stock project in `site_of_theirs`."""

from typing import Final

SETTINGS: Final = """
from site_of_theirs.settings import *

INSTALLED_APPS = ["djangocms_admin_style", *INSTALLED_APPS, "django.contrib.sites"]
INSTALLED_APPS += ["cms", "menus", "djangocms_text", "treebeard", "sekizai"]
MIDDLEWARE += [
    "django.middleware.locale.LocaleMiddleware",
    "cms.middleware.user.CurrentUserMiddleware",
    "cms.middleware.page.CurrentPageMiddleware",
    "cms.middleware.toolbar.ToolbarMiddleware",
    "cms.middleware.language.LanguageCookieMiddleware",
]
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "django.template.context_processors.i18n",
    "sekizai.context_processors.sekizai",
    "cms.context_processors.cms_settings",
]
SITE_ID = 1
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
CMS_CONFIRM_VERSION4 = True
CMS_TEMPLATES = [("base.html", "Standard")]
X_FRAME_OPTIONS = "SAMEORIGIN"
ROOT_URLCONF = "site_of_theirs.cms_urls"
"""
URLS: Final = """
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

urlpatterns = i18n_patterns(path("admin/", admin.site.urls), path("", include("cms.urls")))
"""
FILES: Final = {"site_of_theirs/cms_settings.py": SETTINGS, "site_of_theirs/cms_urls.py": URLS}
