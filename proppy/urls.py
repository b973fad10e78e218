from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from proppy import views

urlpatterns = [
    path("", views.home, name="home"),
    path("activity/", views.activity, name="activity"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-in/<str:token>/", views.sign_in_link, name="sign-in-link"),
    path("sign-out/", LogoutView.as_view(next_page="home"), name="sign-out"),
    path("photos/", views.upload_photo, name="photos"),
    path("photos/<int:pk>/", views.photo, name="photo"),
    path("admin/", admin.site.urls),
    path("", include("notifications.urls")),
]
