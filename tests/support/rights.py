"""Missing rights for whoever runs the tests: root, too, may then use only what a file's mode lets its owner use."""

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
#: capabilities(7): version 3 of its structures, and what passes over the modes of files.
VERSION: Final = 0x20080522
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def by_modes(function: Callable[[], T]) -> T:
    """What the function returns, from a thread that has given this up for itself and for the threads it starts."""
    with ThreadPoolExecutor(1, initializer=_give_up) as executor:
        return executor.submit(function).result()


def _give_up() -> None:
    libc, header, sets = ctypes.CDLL(None, use_errno=True), _Header(VERSION, 0), (_Set * 2)()
    if libc.capget(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for name in ("effective", "permitted"):  # access(2) of root asks the second
        left = getattr(sets[0], name) & ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
        setattr(sets[0], name, left)
    if libc.capset(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
