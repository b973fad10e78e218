from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from notifications.utils.private_folders import make_private


class ProppyConfig(AppConfig):
    name = "proppy"
    verbose_name = "proppy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proppy import checks  # noqa: F401  registers itself

        try:
            make_private(settings.STATE_DIR)  # SQLite makes its file, but not the folder
        except OSError as error:
            raise ImproperlyConfigured(
                f"STATE_DIR cannot be made ({error}): name a folder that this user owns."
            ) from error
