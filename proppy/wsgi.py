"""The WSGI application, for every web server."""

import gc
import os

from notifications.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proppy.settings")

application = get_wsgi_application()

from django.core.validators import validate_email  # noqa: E402  settings come first

from notifications.events.emit import process_outbox  # noqa: E402  settings come first
from notifications.intake.gate.gate import open_gate  # noqa: E402  settings come first
from notifications.workers.watchdog import READY, notify  # noqa: E402  settings come first

process_outbox()  # JOURNAL_URL=auto looks for journald: up to a second, so not in a request
validate_email("somebody@example.org")  # compiles Django's pattern of an address: 28 ms, so not in a request
open_gate()  # loads the URLs
gc.collect()
gc.freeze()  # else Python looks through all that is loaded now and then: all threads stop for 20 to 30 ms
notify(READY)  # for Type=notify: all that a request needs is loaded
