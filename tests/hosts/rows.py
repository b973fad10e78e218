"""The settings of host projects, and the rows in which they meet."""

from typing import Final

from tests.hosts.covering import Row, covering
from tests.support.pairs import PAIRS

PSYCOPG: Final = "import psycopg\nDATABASES['default'] |= POSTGRES\n"
#: What each has before the engine comes.
THEIRS: Final[dict[str, dict[str, str]]] = {
    "database": {
        "sqlite": "",
        "postgres": "DATABASES['default'] |= POSTGRES\n",
        "pool": "DATABASES['default'] |= POSTGRES | {'CONN_MAX_AGE': 0}\n"
        "DATABASES['default']['OPTIONS'] |= {'pool': {'timeout': 2, 'max_size': 8}}\n",
        "serializable": PSYCOPG
        + "DATABASES['default']['OPTIONS']['isolation_level'] = psycopg.IsolationLevel.SERIALIZABLE\n",
        "repeatable": PSYCOPG
        + "DATABASES['default']['OPTIONS']['isolation_level'] = psycopg.IsolationLevel.REPEATABLE_READ\n",
        "alias": "",
        "router": "DATABASES['replica'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'replica.db'}\n"
        "DATABASE_ROUTERS = ['shop.routers.Replica']\n",
    },
    "zones": {"aware": "", "naive": "USE_TZ = False\nTIME_ZONE = 'America/New_York'\n"},
    "numbers": {
        "plain": "",
        "separated": "USE_THOUSAND_SEPARATOR = True\nDEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n",
    },
    "requests": {"plain": "", "atomic": "for each in DATABASES.values():\n    each['ATOMIC_REQUESTS'] = True\n"},
    "login": {"none": "", "required": "MIDDLEWARE += ['django.contrib.auth.middleware.LoginRequiredMiddleware']\n"},
    "reads": {
        "nobody": "",
        "body": "MIDDLEWARE.insert(0, 'shop.middleware.reads_body')\n",
        "post": "MIDDLEWARE.insert(0, 'shop.middleware.reads_post')\n",
    },
    "language": {
        "one": "",
        "many": "MIDDLEWARE.insert(2, 'django.middleware.locale.LocaleMiddleware')\nLANGUAGE_CODE = 'de'\n",
    },
    "path": {"top": "", "below": "FORCE_SCRIPT_NAME = '/below'\n"},
    "user": {"djangos": "", "own": "AUTH_USER_MODEL = 'shop.Customer'\n"},
    "label": {"free": "", "taken": "INSTALLED_APPS += ['shop.notifications']\n"},
}
#: What docs/your-project.md has them add, besides what all add.
OURS: Final[dict[str, dict[str, str]]] = {
    "database": {
        "sqlite": "from notifications import sqlite\n"
        "sqlite.use_fixed_sqlite()\n"
        "DATABASES['default'] = sqlite.database(BASE_DIR / 'db.sqlite3')\n",
        "alias": "from notifications import sqlite\n"
        "DATABASES['engine'] = sqlite.database(BASE_DIR / 'engine.sqlite3')\n"
        "NOTIFICATIONS_DATABASE = 'engine'\n",
    },
    "requests": {"atomic": THEIRS["requests"]["atomic"]},  # of the databases that are new
    "interface": {
        "wsgi": "DATABASES['default'].setdefault('CONN_MAX_AGE', None)\n",
        "asgi": "for each in DATABASES.values():\n    each['CONN_MAX_AGE'] = 0\n",
    },
    "urls": {"root": "", "prefix": "MIDDLEWARE.insert(0, 'notifications.health.StatusPages')\n"},
}
FACTORS: Final[dict[str, list[str]]] = {
    "pair": [f"{pair.python}-{pair.django}" for pair in PAIRS],
    "interface": ["wsgi", "asgi"],
    #: Whose get_wsgi_application() or get_asgi_application().
    "entry": ["ours", "djangos"],
    "urls": ["root", "prefix"],
    **{name: list(values) for name, values in THEIRS.items()},
}
ROWS: Final = covering(FACTORS)


def settings(of: dict[str, dict[str, str]], row: Row) -> str:
    """Lines of a settings.py."""
    return "".join(lines.get(row[name], "") for name, lines in of.items())


URLS: Final = """
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path, re_path
from shop.views import own

urlpatterns = [path("metrics", own), path("own/", own), ENGINE ADMIN re_path(r"^.*$", own)]
"""


def urls(row: Row, engine: str = "") -> str:
    """A urls.py. Where the engine has no prefix their page /metrics is not there."""
    admin = 'path("admin/", admin.site.urls),'
    admin = f"*i18n_patterns({admin})," if row["language"] == "many" else admin
    text = URLS.replace("ENGINE", engine).replace("ADMIN", admin)
    return text if row["urls"] == "prefix" else text.replace('path("metrics", own), ', "")


def files(row: Row) -> dict[str, str]:
    """What their app has."""
    taken = {
        "shop/notifications/__init__.py": "",
        "shop/notifications/migrations/__init__.py": "",
        "shop/notifications/models.py": BELL,
        "shop/engine.py": ENGINE,
    }
    always = {"shop/middleware.py": MIDDLEWARE, "shop/routers.py": ROUTERS, "shop/views.py": VIEWS}
    own_user = {"shop/models.py": CUSTOMER} if row["user"] == "own" else {}
    return always | own_user | (taken if row["label"] == "taken" else {})


MIDDLEWARE: Final = """
def reads_body(get_response):
    def middleware(request):
        request.body
        return get_response(request)
    return middleware

def reads_post(get_response):
    def middleware(request):
        request.POST
        return get_response(request)
    return middleware
"""
ROUTERS: Final = """
class Replica:
    def db_for_read(self, model, **_):
        return "replica" if model.__module__.startswith("notifications.") else None
"""
VIEWS: Final = """
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

@csrf_exempt
def own(request, **_):
    posted = sorted(request.POST.items())
    text = f"{request.method} {request.path} {posted} {len(request.body)} {get_user_model().objects.count()}"
    return HttpResponse(text, headers={"X-Own": "yes"})
"""
CUSTOMER: Final = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models

class Customers(BaseUserManager):
    def create_superuser(self, email, password):
        return self.create(email=email, is_superuser=True)

class Customer(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(primary_key=True)
    is_staff = True
    USERNAME_FIELD = "email"
    objects = Customers()
"""
BELL: Final = """
from django.db import models

class Bell(models.Model):
    name = models.TextField()
"""
ENGINE: Final = """
from notifications.apps import NotificationsConfig

class Engine(NotificationsConfig):
    label = "proppy_engine"
"""
