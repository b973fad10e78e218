"""The site behind each ASGI server that is tested. They are in an environment of their own."""

import os
import shutil
from pathlib import Path
from typing import Final

from tests.support.child import BASE_DIR
from tests.support.processes import Site

BIN: Final = Path(os.environ.get("ASGI_SERVERS_BIN", BASE_DIR / ".venv-asgi-servers" / "bin"))
SERVERS: Final = {
    "uvicorn h11": "uvicorn --http h11 --loop asyncio --host 127.0.0.1 --port {port} --log-level warning",
    "uvicorn httptools": "uvicorn --http httptools --loop uvloop --host 127.0.0.1 --port {port} --log-level warning",
    "granian": "granian --interface asgi --no-ws --host 127.0.0.1 --port {port}",
    "daphne": "daphne --bind 127.0.0.1 --port {port} --verbosity 0",
}
APPLICATION: Final = "tests.support.asgi_site:application"


class AsgiSite(Site):
    """A site whose "web" is one of SERVERS."""

    def __init__(self, folder: Path, server: str) -> None:
        super().__init__(folder)
        (folder / "state").mkdir(mode=0o700)
        self.server = server
        self.env |= {"DJANGO_SETTINGS_MODULE": "tests.support.asgi_settings", "PYTHONPATH": str(BASE_DIR)}

    def copy_database(self, migrated: Path) -> None:
        """Start from a SQLite file with all tables."""
        shutil.copy(migrated, self.folder / "state" / "proppy.sqlite3")

    def command(self, name: str) -> list[str]:
        if name != "web":
            return super().command(name)  # type: ignore[arg-type]  # the other names
        program, *options = SERVERS[self.server].format(port=self.port).split()
        return [str(BIN / program), *options, APPLICATION]
