"""slack_sdk's clients without redirects: urllib would send the token to the address of a redirect."""

from typing import Any, Final
from urllib.request import HTTPRedirectHandler, Request

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

#: urllib counts here the redirects that it followed for a request. This is the most that it follows.
ALL_FOLLOWED: Final = dict.fromkeys(map(str, range(HTTPRedirectHandler.max_redirections)), 1)


class StayingWebClient(WebClient):
    """Treats a redirect as the answer, which is an error."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        return super()._perform_urllib_http_request_internal(url, _staying(req))


class StayingWebhookClient(WebhookClient):
    """Treats a redirect as the answer, which is an error."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        answer: WebhookResponse = super()._perform_http_request_internal(url, _staying(req))
        return answer


def _staying(request: Request) -> Request:
    request.redirect_dict = ALL_FOLLOWED  # type: ignore[attr-defined]  # HTTPRedirectHandler looks here first
    return request
