"""Text that every database takes."""


def clean(text: str) -> str:
    """The text with NULs replaced by U+FFFD and lone surrogates by ?, both of which PostgreSQL refuses."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
