from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.http.signatures import SCHEMES, BadSignature, headers_of, key_of, sign, verify

NOW: Final = 1_700_000_000.0
BODY: Final = b'{"test": "\xff\x00"}'
SECRETS: Final = {
    "standard-webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "stripe": "whsec_stripe",
    "github": "It's a Secret to Everybody",
    "slack": "8f742231b10e8888abcd99yyyzzz85a5",
}
OTHERS: Final = {**dict.fromkeys(SECRETS, "another"), "standard-webhooks": "whsec_" + "b3RoZXIx" * 4}
schemes: Final = pytest.mark.parametrize("scheme", SCHEMES)
timed: Final = pytest.mark.parametrize("scheme", ["standard-webhooks", "stripe", "slack"])

# The example of docs.slack.dev/authentication/verifying-requests-from-slack
SLACK_BODY: Final = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
VECTORS: Final = {
    # The test of the specification's reference libraries.
    "standard-webhooks": (
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        1614265330,
    ),
    # docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    "github": (
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        b"Hello, World!",
        0,
    ),
    "slack": (
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        SLACK_BODY,
        1531420618,
    ),
}


def check(scheme: str, headers: Mapping[str, str], body: bytes = BODY, **options: Any) -> None:
    verify(scheme, headers, body, **{"secrets": [SECRETS[scheme]], "tolerance": 300, "now": NOW, **options})


def refused(scheme: str, headers: Mapping[str, str], body: bytes = BODY, **options: Any) -> str:
    with pytest.raises(BadSignature) as caught:
        check(scheme, headers, body, **options)
    return caught.value.reason


def signed(scheme: str, body: bytes = BODY, now: float = NOW) -> dict[str, str]:
    return sign(scheme, body, SECRETS[scheme], now)


@pytest.mark.parametrize("scheme", VECTORS)
def test_published_vectors(scheme: str) -> None:
    headers, body, now = VECTORS[scheme]
    check(scheme, headers, body, now=now)
    assert sign(scheme, body, SECRETS[scheme], now, id=headers.get("webhook-id", "")) == headers
    assert "no configured secret" in refused(scheme, headers, body + b" ", now=now)


def test_stripe_vector() -> None:
    # HMAC-SHA256 of "1492774577.{}" as `openssl dgst -sha256 -hmac whsec_stripe` gives it.
    right = "a377480b4446069cad50c48a7576fe2713e3fd6a3eb58e871d4bd79c1a2258dd"
    headers = {"stripe-signature": f"t=1492774577,v1={'0' * 64},v1={right},v0={'1' * 64}"}
    check("stripe", headers, b"{}", now=1492774577)


@schemes
def test_headers_of(scheme: str) -> None:
    assert headers_of(scheme) == set(signed(scheme))
    assert all(name == name.lower() for name in headers_of(scheme))


def test_no_headers_of_no_scheme() -> None:
    assert headers_of("") == frozenset()


@schemes
def test_any_secret_will_do_and_a_bad_one_does_no_harm(scheme: str) -> None:
    right, other = SECRETS[scheme], OTHERS[scheme]
    for secrets in ([other, right], [right, other], ["", right]):
        check(scheme, signed(scheme), secrets=secrets)
    refused(scheme, signed(scheme), secrets=[other])


@schemes
def test_one_string_is_one_secret(scheme: str) -> None:
    check(scheme, signed(scheme), secrets=SECRETS[scheme])
    letter = SECRETS["github"][0]
    refused("github", sign("github", BODY, letter, NOW), secrets=SECRETS["github"])


@schemes
@pytest.mark.parametrize("secrets", [[], [""], "", None, [None], [b"bytes"], [7]])
def test_no_usable_secret(scheme: str, secrets: Any) -> None:
    refused(scheme, signed(scheme), secrets=secrets)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_%%%", "whsec_abc", "whsec_é", "whsec_QUJD\n", "\ud800"])
def test_bad_base64_secret(secret: str) -> None:
    assert "secret" in refused("standard-webhooks", signed("standard-webhooks"), secrets=[secret])
    with pytest.raises(BadSignature):
        key_of("standard-webhooks", secret)


def test_unknown_scheme() -> None:
    with pytest.raises(BadSignature, match="use one of standard-webhooks"):
        verify("md5", {}, b"", secrets=["x"], tolerance=1, now=NOW)


@timed
@pytest.mark.parametrize("off", [-300, 300])
def test_within_tolerance(scheme: str, off: float) -> None:
    check(scheme, signed(scheme), now=NOW + off)


@timed
@pytest.mark.parametrize("off", [-301, 301, float("nan"), float("inf"), float("-inf")])
def test_beyond_tolerance(scheme: str, off: float) -> None:
    assert "differs by more than 300 s" in refused(scheme, signed(scheme), now=NOW + off)


@timed
@pytest.mark.parametrize(
    "time",
    [
        "",
        "nan",
        "inf",
        "-1700000000",
        "+1700000000",
        "1.7e9",
        "17000_00000",
        "\uff11\uff17" + "\uff10" * 8,
        "9" * 5000,
        " 1700000000",
        "1700000000\n",
    ],
)
def test_times_that_are_none(scheme: str, time: str) -> None:
    headers = {name: value.replace("1700000000", time) for name, value in signed(scheme).items()}
    refused(scheme, headers)


@schemes
def test_each_header_is_needed(scheme: str) -> None:
    for name in headers_of(scheme):
        headers = signed(scheme)
        del headers[name]
        assert name in refused(scheme, headers)


@schemes
def test_upper_case_hexadecimal_is_not_the_same_text(scheme: str) -> None:
    headers = {name: value.swapcase() for name, value in signed(scheme).items()}
    refused(scheme, headers)


def test_a_dot_in_the_id_cannot_move_the_time_into_the_body() -> None:
    headers = sign("standard-webhooks", b"1700000000.rest", SECRETS["standard-webhooks"], NOW - 5000, id="a")
    moved = {**headers, "webhook-id": f"a.{headers['webhook-timestamp']}", "webhook-timestamp": "1700000000"}
    assert '"."' in refused("standard-webhooks", moved, b"rest")


@pytest.mark.parametrize(
    ("scheme", "name", "other"),
    [
        ("standard-webhooks", "webhook-signature", "v1a,{0} v2,{0}"),
        ("github", "x-hub-signature-256", "sha1={0}"),
        ("slack", "x-slack-signature", "v1={0}"),
        ("stripe", "stripe-signature", "t=1700000000,v0={0}"),
    ],
)
def test_other_versions_do_not_count(scheme: str, name: str, other: str) -> None:
    value = signed(scheme)[name]
    digest = value[-64:] if scheme != "standard-webhooks" else value.removeprefix("v1,")
    refused(scheme, {**signed(scheme), name: other.format(digest)})


def test_one_of_several_signatures_will_do() -> None:
    headers = signed("standard-webhooks")
    right = headers["webhook-signature"]
    check("standard-webhooks", {**headers, "webhook-signature": f"v1,AAAA v1a,x {right}"})
    refused("standard-webhooks", {**headers, "webhook-signature": " ".join([right] * 1000)})


def test_two_times_are_refused() -> None:
    headers = {"stripe-signature": "t=1," + signed("stripe")["stripe-signature"]}
    assert "one t=" in refused("stripe", headers)


names = st.sampled_from(sorted(name for scheme in SCHEMES for name in headers_of(scheme)))
pieces = st.sampled_from(["t=", "v1=", "v1,", "v0=", "sha256=", ",", " ", "=", "1700000000", "nan", "\ud800"])
values = st.lists(pieces | st.text(st.characters(codec=None), max_size=20), max_size=8).map("".join)
secrets = st.lists(st.text(st.characters(codec=None)), max_size=3)
times = st.floats()


@given(st.sampled_from([*SCHEMES, "other"]), st.dictionaries(names, values), st.binary(), secrets, times, times)
def test_nothing_but_bad_signature_is_ever_raised(
    scheme: str, headers: dict[str, str], body: bytes, secrets: list[str], tolerance: float, now: float
) -> None:
    with pytest.raises(BadSignature):
        verify(scheme, headers, body, secrets=secrets, tolerance=tolerance, now=now)


def flip(text: bytes, bit: int) -> bytes:
    number = int.from_bytes(text, "big") ^ (1 << bit % (8 * len(text)))
    return number.to_bytes(len(text), "big")


@given(st.sampled_from(sorted(SCHEMES)), st.binary(min_size=1), st.data())
def test_any_flipped_bit_is_refused(scheme: str, body: bytes, data: st.DataObject) -> None:
    headers = signed(scheme, body)
    check(scheme, headers, body)
    refused(scheme, headers, flip(body, data.draw(st.integers(0, 8 * len(body) - 1))))
    for name, value in headers.items():
        bit = data.draw(st.integers(0, 8 * len(value) - 1))
        flipped = flip(value.encode("ascii"), bit).decode("latin-1")
        refused(scheme, {**headers, name: flipped}, body, tolerance=float("inf"))
