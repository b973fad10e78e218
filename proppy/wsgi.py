"""The WSGI application, for every web server."""

import os

from notifications.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proppy.settings")

application = get_wsgi_application()

from django.core.validators import validate_email  # noqa: E402  settings come first

from notifications.events import process_outbox  # noqa: E402  settings come first
from notifications.watchdog import READY, notify  # noqa: E402  settings come first

process_outbox()  # JOURNAL_URL=auto looks for a journald, which may take a second: not in the first request
validate_email("somebody@example.org")  # compiles Django's pattern of an address: 28 ms that belong to no request
notify(READY)  # of a unit with Type=notify: all that a request needs is loaded
