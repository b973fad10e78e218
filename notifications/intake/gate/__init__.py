"""The gate: a post that is stored is answered in front of Django. Whatever is not a plain 202 Django answers itself."""
