from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Notifications"
    #: That of our migrations, whatever DEFAULT_AUTO_FIELD of the project is.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from notifications import checks  # noqa: F401  it registers itself
        from notifications.database.router import install_router
        from notifications.events import failure_alerts  # noqa: F401  likewise

        install_router()
