"""What Django's error pages and error mails show of settings and of a request's variables."""

import re
from typing import Final

from django.views.debug import SafeExceptionReporterFilter

#: Addresses that have secrets in them. `url` is a webhook's, in its channel's options.
ADDRESSES: Final = r"(DATABASE|EMAIL|HEARTBEAT|WEBHOOK)_URL|^URL$|HTTPS?_PROXY"


class WithoutSecretAddresses(SafeExceptionReporterFilter):
    """Masks those values, too, whose names Django does not know to be secret."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|{ADDRESSES}", re.IGNORECASE)
