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
    except Exception as error:
        # Of these 1 would be a warning.
        is_check = sys.argv[1:2] == ["proppy_doctor"] or (sys.argv[1:2] == ["proppy_status"] and "--check" in sys.argv)
        if isinstance(error, ImproperlyConfigured):  # what to write instead, and no traceback around it
            sys.stderr.write(f"Wrong setting: {error}\n")
        elif is_check:
            sys.stderr.write(f"Nothing could be asked: {type(error).__name__}: {error}\n")
        else:
            raise
        sys.exit(3 if is_check else 1)
