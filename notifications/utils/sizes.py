"""Writes sizes for people."""


def size(count: int) -> str:
    """Bytes: "0 kB", "12.5 MB"."""
    kilobytes = count / 1024
    return f"{kilobytes:.0f} kB" if kilobytes < 1024 else f"{kilobytes / 1024:.1f} MB"
