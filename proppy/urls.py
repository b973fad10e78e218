from django.contrib import admin
from django.urls import include, path

from proppy import session_views, views
from proppy.login_limits import admin_login

handler400 = "proppy.error_views.bad_request"
handler500 = "proppy.error_views.server_error"
urlpatterns = [
    path("", views.home, name="home"),
    path("activity/", views.activity, name="activity"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("sign-in/", session_views.sign_in, name="sign-in"),
    path("sign-in/<str:token>/", session_views.sign_in_link, name="sign-in-link"),
    path("sign-out/", session_views.sign_out, name="sign-out"),
    path("photos/", views.upload_photo, name="photos"),
    path("photos/<int:pk>/", views.photo, name="photo"),
    path("favicon.ico", views.favicon),
    path("admin/login/", admin_login),
    path("admin/", admin.site.urls),
    path("", include("notifications.urls")),
]
