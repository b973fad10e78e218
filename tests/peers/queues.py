"""The queues: what a stock project needs of each, with its defaults."""

from dataclasses import dataclass
from typing import Final

#: The queue's tasks.py: `enqueue()` takes what `prepare()` has made of a text.
PLAIN: Final = """
from tests.peers import job


def prepare(text):
    return text
"""
HUEY: Final = """
from huey.contrib.djhuey import task


@task()
def run(text):
    job.run(text)


enqueue = run
"""
DJANGO_TASKS: Final = """
from django_tasks import task


@task()
def run(text):
    job.run(text)


enqueue = run.enqueue
"""
PROCRASTINATE: Final = """
from procrastinate.contrib.django import app


@app.task
def run(text):
    job.run(text)


def enqueue(text):
    run.defer(text=text)
"""
OURS: Final = """
from notifications import capture
from tests.benchmarks.request import request


def prepare(text):
    return request(text.encode(), "job")


def enqueue(prepared):
    capture(prepared, "job")
"""
OUR_HANDLER: Final = """
from tests.peers import job


@on_payload("job")
def run(payload):
    job.run(payload.body.decode())
"""
VIEW: Final = """
from shop.tasks import enqueue, prepare


@csrf_exempt
def post(request):
    enqueue(prepare(request.body.decode()))
    return HttpResponse(b"ok")


urlpatterns.insert(0, path("post/", post))
"""


@dataclass(frozen=True, slots=True)
class Queue:
    """`database`: NORMAL or FULL, of SQLite, or "" for PostgreSQL. `worker`: the arguments of manage.py."""

    name: str
    database: str
    settings: str
    tasks: str
    worker: tuple[str, ...]
    #: How many jobs its worker is given in a round.
    jobs: int
    application: str = "shop.wsgi:application"
    path: str = "/post/"

    @property
    def files(self) -> dict[str, str]:
        """Text by file of the project's package."""
        ours = {"handlers.py": OUR_HANDLER} if self.tasks is OURS else {"urls.py": VIEW}
        return {"settings.py": self.settings, "tasks.py": self.tasks, **ours}


def _ours(name: str, database: str) -> Queue:
    settings = 'NOTIFICATIONS_SOURCES["job"] = {"http": True}\n'
    return Queue(name, database, settings, OURS, ("process_raw",), 4000, "shop.our_wsgi:application", "/in/job/")


def _huey(name: str, settings: str) -> Queue:
    settings += 'INSTALLED_APPS += ["huey.contrib.djhuey"]\n'
    return Queue(name, "NORMAL", settings, PLAIN + HUEY, ("run_huey",), 2000)


def _django_tasks(name: str, database: str) -> Queue:
    settings = 'INSTALLED_APPS += ["django_tasks", "django_tasks_db"]\n'
    settings += 'TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}\n'
    return Queue(name, database, settings, PLAIN + DJANGO_TASKS, ("db_worker",), 500)


SQLITE: Final = _ours("ours, SQLite NORMAL", "NORMAL")
FULL: Final = _ours("ours, SQLite FULL", "FULL")
POSTGRESQL: Final = _ours("ours, PostgreSQL", "")
HUEY_SQLITE: Final = _huey(
    "Huey, SQLite (FULL)",
    'from huey import SqliteHuey\n\nHUEY = SqliteHuey(filename=str(BASE_DIR / "huey.sqlite3"))\n',
)
_APP: Final = 'INSTALLED_APPS += ["procrastinate.contrib.django"]\n'
PROCRASTINATE_QUEUE: Final = Queue(
    "procrastinate, PostgreSQL", "", _APP, PLAIN + PROCRASTINATE, ("procrastinate", "worker"), 500
)
QUEUES: Final = [
    SQLITE,
    FULL,
    POSTGRESQL,
    HUEY_SQLITE,
    _django_tasks("django-tasks-db, SQLite NORMAL", "NORMAL"),
    _django_tasks("django-tasks-db, PostgreSQL", ""),
    PROCRASTINATE_QUEUE,
]


def huey_redis(port: int) -> Queue:
    settings = 'HUEY = {{"huey_class": "huey.RedisHuey", "immediate": False, "connection": {{"port": {}}}}}\n'
    return _huey("Huey, Redis", settings.format(port))
