"""The site. What is here takes effect before all else, in each of its programs."""

import os

from notifications.log import mark_stderr
from notifications.sqlite import use_fixed_sqlite

mark_stderr(os.environ.get("JOURNAL_STREAM", ""))  # settings that are wrong end a program before they can say so
use_fixed_sqlite()
