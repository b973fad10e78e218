"""The site under ASGI; LONGEST_SENDING in the environment shortens what a client may take to send a body."""

import os

from notifications.asgi import get_asgi_application
from notifications.intake import received_body

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.app_settings")
setattr(received_body, "LONGEST_SENDING", float(os.environ.get("LONGEST_SENDING", "30")))  # noqa: B010  it is Final

application = get_asgi_application()
