#!/usr/bin/env python
"""Django's command line for the site."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proppy.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:  # what to write instead, and no traceback around it
        sys.exit(f"Wrong setting: {error}")
