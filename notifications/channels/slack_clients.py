"""slack_sdk's clients, which stay where they are sent: urllib would take the token along wherever a redirect leads."""

from typing import Any, Final
from urllib.request import HTTPRedirectHandler, Request

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

#: What urllib notes of the redirects that it has followed for a request: as many as may be.
ALL_FOLLOWED: Final = dict.fromkeys(map(str, range(HTTPRedirectHandler.max_redirections)), 1)


class StayingWebClient(WebClient):
    """A redirect is the answer: an error."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        return super()._perform_urllib_http_request_internal(url, _staying(req))


class StayingWebhookClient(WebhookClient):
    """A redirect is the answer: an error."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        answer: WebhookResponse = super()._perform_http_request_internal(url, _staying(req))
        return answer


def _staying(request: Request) -> Request:
    request.redirect_dict = ALL_FOLLOWED  # type: ignore[attr-defined]  # HTTPRedirectHandler's own, which it asks first
    return request
