from django.urls import path

from notifications import health, views

urlpatterns = [
    # Without the slash too: a redirect would lose the body.
    path("in/<str:source>", views.intake),
    path("in/<str:source>/", views.intake, name="intake"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
