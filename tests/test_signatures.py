"""Signatures of webhooks: those of the scheme's own example, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.signatures import is_signed, sign, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
"""The example with which implementations of Standard Webhooks are compared."""

KEY = signing_key(SECRET)


def test_the_schemes_example() -> None:
    assert sign(KEY, ID, AT, BODY) == SIGNATURE
    assert is_signed(KEY, ID, AT, BODY, SIGNATURE)
    assert is_signed(KEY, ID, AT, BODY, f"v1,AAAA v1a,xyz {SIGNATURE}")


@pytest.mark.parametrize(
    ("message_id", "sent_at", "body", "signatures"),
    [
        ("msg_other", AT, BODY, SIGNATURE),
        (ID, "1614265331", BODY, SIGNATURE),
        (ID, AT, BODY + b" ", SIGNATURE),
        (ID, AT, BODY, ""),
        (ID, AT, BODY, SIGNATURE.removeprefix("v1,")),
        (ID, AT, BODY, SIGNATURE.replace("v1", "v2")),
        (ID, AT, BODY, SIGNATURE[:-2]),
        (ID, "٣", BODY, SIGNATURE),
        (ID, "-1", BODY, SIGNATURE),
        ("", AT, BODY, SIGNATURE),
        ("x" * 201, AT, BODY, SIGNATURE),
    ],
)
def test_anything_else_is_refused(message_id: str, sent_at: str, body: bytes, signatures: str) -> None:
    assert not is_signed(KEY, message_id, sent_at, body, signatures)


@given(st.text(max_size=300), st.text(max_size=20), st.binary(max_size=50), st.text(max_size=100))
def test_no_input_is_taken_for_signed_or_breaks_it(a: str, b: str, body: bytes, c: str) -> None:
    assert not is_signed(KEY, a, b, body, c)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_short", "whsec_!!!!", SECRET.removeprefix("whsec_")])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        signing_key(secret)
