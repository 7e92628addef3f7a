"""Signatures of webhooks by the scheme of Standard Webhooks: pure functions of secret, headers and body."""

import base64
import hmac
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what marks a secret, not one
MIN_KEY_BYTES: Final = 24
MAX_ID_CHARACTERS: Final = 200


def signing_key(secret: str) -> bytes:
    """The key in `whsec_` and base64. Raises ValueError where it is none, or too short to keep anybody out."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except Base64Error:
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) < MIN_KEY_BYTES:
        raise ValueError(f"must be {SECRET_PREFIX} and the base64 of at least {MIN_KEY_BYTES} bytes")
    return key


def sign(key: bytes, message_id: str, sent_at: str, body: bytes) -> str:
    """What belongs into the header `webhook-signature`. `sent_at` is in seconds since 1970, as its header has it."""
    digest = hmac.digest(key, f"{message_id}.{sent_at}.".encode() + body, sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def is_signed(key: bytes, message_id: str, sent_at: str, body: bytes, signatures: str) -> bool:
    """Whether one of the signatures, several apart by spaces, is this key's for exactly this."""
    if not 0 < len(message_id) <= MAX_ID_CHARACTERS or not (
        sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 12
    ):
        return False
    expected = sign(key, message_id, sent_at, body).encode()
    return any(hmac.compare_digest(expected, given.encode()) for given in signatures.split())
