"""The site's settings without the middlewares of others: one that cannot run on an event loop takes all before it along
into a thread. POOL in the environment: the options of psycopg's pool, as JSON.
"""

import json
import os

from tests.app_settings import *  # noqa: F403
from tests.app_settings import DATABASES
from tests.app_settings import MIDDLEWARE as SITES

MIDDLEWARE = [path for path in SITES if path.startswith(("notifications.", "proppy.", "django."))]

if _pool := os.environ.get("POOL"):
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"]["pool"] = json.loads(_pool)
