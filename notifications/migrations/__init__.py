from django.apps import apps

#: What the project calls the engine. Tables and dependencies have this name.
LABEL = apps.get_containing_app_config(__name__).label
