from django.urls import path, re_path

from notifications import views

urlpatterns = [
    # Without the slash too: a redirect would lose the body.
    re_path(r"^in/(?P<source>[^/]+)/?$", views.intake, name="intake"),
    path("healthz", views.healthz, name="healthz"),
]
