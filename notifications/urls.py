from django.urls import path, re_path

from notifications import health, views

urlpatterns = [
    # Without the slash too: a redirect would lose the body.
    re_path(r"^in/(?P<source>[^/]+)/?$", views.intake, name="intake"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
