"""slack_sdk's clients with our own connections: by HTTPS_PROXY of the settings alone, and without redirects.

Its own would read the environment, and send the token to the address of a redirect.
"""

from email.message import Message
from http.client import HTTPResponse
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

from notifications.http.https_proxy import Connection
from notifications.utils.limited_sockets import limited_context


class OurHTTPSHandler(HTTPSHandler):
    """Connects as all channels do."""

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(Connection, req)  # type: ignore[arg-type]  # which it calls with host and timeout


class OurWebClient(WebClient):
    """Treats a redirect as the answer, which is an error."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        status, headers, body = _exchange(req, self.timeout)
        return {"status": status, "headers": headers, "body": body}


class OurWebhookClient(WebhookClient):
    """Treats a redirect as the answer, which is an error."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        status, headers, body = _exchange(req, self.timeout)
        return WebhookResponse(url=url, status_code=status, body=body, headers=dict(headers.items()))


def _exchange(request: Request, timeout: float) -> tuple[int, Message, str]:
    """Status, headers and body of any answer. An HTTPError instead would be left open by slack_sdk."""
    opener = OpenerDirector()
    # What is not here is not done: no redirects, no proxies of the environment, no errors by status.
    for handler in (HTTPHandler(), OurHTTPSHandler(context=limited_context())):
        opener.add_handler(handler)
    with opener.open(request, timeout=timeout) as answer:
        charset = answer.headers.get_content_charset() or "utf-8"
        return answer.status, answer.headers, answer.read().decode(charset)
