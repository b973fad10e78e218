"""Which ASGI servers say of a chunked body that it was cut or is invalid."""

import asyncio
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

#: By the module of a server's own object: the package that parses requests for it, and the oldest version that was
#: tried and told each time (tests/integration/test_asgi_servers.py). h11 0.14 and httptools 0.6 took invalid chunks.
PARSERS: Final = {
    "uvicorn.protocols.http.h11_impl": ("h11", (0, 16)),
    "uvicorn.protocols.http.httptools_impl": ("httptools", (0, 7)),
    "granian._granian": ("granian", (2, 0)),
    "daphne.server": ("twisted", (24, 7)),
}


def modules_that_tell() -> frozenset[str]:
    """Those of PARSERS that are installed here, and not too old. Reads files: not on an event loop."""
    return frozenset(module for module, (package, oldest) in PARSERS.items() if _version_of(package) >= oldest)


def module_of_server(receive: Any, send: Any) -> str:
    """The module of the server's object that `receive` belongs to. Behind another layer it is not known."""
    server = getattr(receive, "__self__", None)
    if isinstance(server, asyncio.Queue):  # as daphne has it, which is known by its `send`
        server = getattr(getattr(send, "func", None), "__self__", None)
    return type(server).__module__


def _version_of(package: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, re.findall(r"\d+", version(package))[:2]))
    except PackageNotFoundError:
        return (-1,)
