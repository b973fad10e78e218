from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

NAME = "admin"


class Command(BaseCommand):
    help = "Create the local admin of `make run` with the password in .env, and print it."

    def handle(self, *_: Any, **__: Any) -> None:
        password = settings.LOCAL_ADMIN_PASSWORD
        if not settings.DEBUG or not password:
            raise CommandError("Only with DEBUG=true and LOCAL_ADMIN_PASSWORD in .env. Elsewhere: createsuperuser.")
        users = get_user_model().objects
        admin = users.filter(username=NAME).first() or users.create_superuser(NAME, "admin@localhost", password)
        if not admin.check_password(password):
            admin.set_password(password)
            admin.save(update_fields=["password"])
        self.stdout.write(f"Admin login: {NAME} / {password}")
