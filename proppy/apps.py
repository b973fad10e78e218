from django.apps import AppConfig


class ProppyConfig(AppConfig):
    name = "proppy"
    verbose_name = "proppy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proppy import checks  # noqa: F401  registers itself
