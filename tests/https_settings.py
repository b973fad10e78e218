"""The site in production (DEBUG=false, HTTPS alone), but for the files that `collectstatic` would have made."""

from proppy.settings import *  # noqa: F403
from proppy.settings import STORAGES

STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
