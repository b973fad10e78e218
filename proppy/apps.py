from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from notifications.utils.folder_rights import explain
from notifications.utils.private_folders import make_private


class ProppyConfig(AppConfig):
    name = "proppy"
    verbose_name = "proppy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proppy import checks, neighbours  # noqa: F401  they register themselves

        try:
            make_private(settings.STATE_DIR)  # SQLite makes its file, but not the folder
        except OSError as error:
            why = explain(error) or f"{error}"
            advice = "name a folder that this user owns."
            raise ImproperlyConfigured(f"STATE_DIR cannot be made ({why}): {advice}") from error
