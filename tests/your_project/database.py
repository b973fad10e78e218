"""The PostgreSQL that docs/your-project.md takes for granted: a role and a database `mysite`."""

from typing import Final

import psycopg

from tests.support.postgres import Postgres

#: Names the port of one that is there already, in the environment of the tests.
PORT: Final = "YOUR_PROJECT_PGPORT"


def make_database(cluster: Postgres) -> None:
    """As the page says, by the superuser."""
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE mysite LOGIN CREATEDB")
        connection.execute("CREATE DATABASE mysite OWNER mysite")
