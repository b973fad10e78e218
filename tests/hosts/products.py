"""Products that were made elsewhere, each in a new virtual environment with what requirements/host-NAME.txt names."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from tests.hosts import django_cms, oscar
from tests.support.child import BASE_DIR, BIN, bare_env
from tests.support.host_project import HANDLERS, SETTINGS, AskedProject

#: Its own tests may take as long on a busy machine.
LONGEST: Final = 1800

WITH_ENGINE: Final = """
from pathlib import Path

from PRODUCT import *
from PRODUCT import ROOT_URLCONF as THEIR_URLS

INSTALLED_APPS = [*INSTALLED_APPS, "shop"]
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
ROOT_URLCONF = "with_engine.urls"
BASE_DIR = Path(__file__).parents[1]
"""
WITH_ENGINE_URLS: Final = """
from importlib import import_module

from django.conf import settings
from django.urls import include, path

theirs = import_module(settings.THEIR_URLS)
vars().update({name: value for name, value in vars(theirs).items() if name.startswith("handler")})
urlpatterns = [path("", include("notifications.urls")), *theirs.urlpatterns]
"""
#: A project has its tables in a file; its own tests may have them in memory.
DATABASE: Final = """
from notifications import sqlite

DATABASES = {"default": sqlite.database(BASE_DIR / "db.sqlite3")}
"""
WSGI: Final = """
from notifications.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


class Product(NamedTuple):
    """`tests` are some of its own, with its `test_settings`. `start` and `files` make a project with its `settings`."""

    name: str
    tests: tuple[str, ...]
    test_settings: str
    start: tuple[str, ...]
    settings: str
    admin: str
    files: Mapping[str, str] = MappingProxyType({})


PRODUCTS: Final = (
    Product(
        "wagtail",
        ("wagtail.sites", "wagtail.contrib.routable_page", "wagtail.contrib.simple_translation"),
        "wagtail.test.settings",
        ("-c", "from wagtail.bin.wagtail import main; main()", "start", "site_of_theirs", "."),
        "site_of_theirs.settings.dev",
        "/django-admin/",
    ),
    Product(
        "django-cms",
        ("cms.tests.test_menu_utils", "cms.tests.test_views"),
        "cms.tests.settings",
        ("-m", "django", "startproject", "site_of_theirs", "."),
        "site_of_theirs.cms_settings",
        "/en/admin/",
        django_cms.FILES,
    ),
    Product(
        "django-oscar",
        (),  # neither its wheel nor its sdist has them
        "site_of_theirs.shop_settings",
        ("-m", "django", "startproject", "site_of_theirs", "."),
        "site_of_theirs.shop_settings",
        "/admin/",
        oscar.FILES,
    ),
)


class Outcome(NamedTuple):
    """Of its own tests: how many ran, how many were skipped, and what failed."""

    ran: int
    skipped: int
    failed: tuple[str, ...]


class InstalledProduct(AskedProject):
    """The product without the engine at first. `then_engine()` follows docs/your-project.md."""

    def __init__(self, product: Product, folder: Path) -> None:
        self.product, self._venv = product, folder / "venv"
        project = folder / "project"
        project.mkdir()
        _uv("venv", "--quiet", f"--python={sys.executable}", str(self._venv))
        requirements = BASE_DIR / "requirements" / f"host-{product.name}.txt"
        self._pip("install", "--quiet", "--require-hashes", "--requirements", str(requirements))
        env = bare_env(folder) | {"PATH": f"{self._venv}/bin:/usr/bin:/bin"}
        super().__init__(project, [f"{self._venv}/bin/python"], env)
        self.run(*product.start)
        for name, text in product.files.items():
            self.write(name, text)

    def versions(self) -> set[str]:
        """Of all packages that are installed."""
        return set(self._pip("freeze").splitlines())

    def own_tests(self, settings: str) -> Outcome:
        """Run some of its own tests."""
        command = ("-W", "ignore", "-m", "django", "test", "--noinput", f"--settings={settings}", *self.product.tests)
        said = self.run("-c", _AND_END_WELL, *command, timeout=LONGEST)
        ran = re.search(r"^Ran (\d+) tests? in", said, re.MULTILINE)
        assert ran, said
        skipped = re.search(r"^(?:OK|FAILED) \(.*skipped=(\d+)", said, re.MULTILINE)
        failed = re.findall(r"^(?:FAIL|ERROR): (.*)$", said, re.MULTILINE)
        return Outcome(int(ran[1]), int(skipped[1]) if skipped else 0, tuple(sorted(failed)))

    def then_engine(self, tree: Path) -> None:
        """Install the engine from this folder, and put it into the product's settings and URLs."""
        self._pip("install", "--quiet", str(tree))
        (self.folder / "var").mkdir(mode=0o700)
        engine = SETTINGS.replace("ENGINE", '"notifications"')
        for name, product, more in (
            ("tests", self.product.test_settings, ""),
            ("project", self.product.settings, DATABASE),
        ):
            self.write(f"with_engine/{name}.py", WITH_ENGINE.replace("PRODUCT", product) + engine + more)
        self.write("with_engine/__init__.py", "")
        self.write("with_engine/urls.py", WITH_ENGINE_URLS)
        self.write("shop/__init__.py", "")
        self.write("shop/handlers.py", HANDLERS)
        self.write("config/wsgi.py", WSGI)
        self.env["DJANGO_SETTINGS_MODULE"] = "with_engine.project"

    def _pip(self, *arguments: str) -> str:
        command, *others = arguments
        return _uv("pip", command, f"--python={self._venv}/bin/python", *others)


#: Ends well where tests fail: which ones did is compared.
_AND_END_WELL: Final = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"


def _uv(*arguments: str) -> str:
    """uv finds packages as this user's environment says, and keeps them in this user's cache."""
    done = subprocess.run([BIN / "uv", *arguments], env=os.environ, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"uv {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout
