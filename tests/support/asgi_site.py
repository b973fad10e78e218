"""The site under ASGI.

In the environment, LONGEST_SENDING shortens what a client may take to send a body. With BLOCKBUSTER a blocking call of
the engine or the site on the event loop raises.
"""

import os

from django.urls import get_resolver

from notifications.asgi import get_asgi_application
from notifications.intake import received_body

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.asgi_settings")
setattr(received_body, "LONGEST_SENDING", float(os.environ.get("LONGEST_SENDING", "30")))  # noqa: B010  it is Final

application = get_asgi_application()

if os.environ.get("BLOCKBUSTER"):
    from blockbuster import BlockBuster

    assert get_resolver().url_patterns  # Python reads modules when it imports them: before the first request here
    BlockBuster(scanned_modules=["notifications", "proppy"]).activate()
