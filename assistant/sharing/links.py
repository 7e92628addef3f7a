"""Links of invitations. What a link holds is made from the invitation's id and the installation's secret.

So a link can be made again, for a message that is sent later or twice, and the database has no more than its hash.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final
from uuid import UUID

_ID_BYTES: Final = 16
_SECRET_BYTES: Final = 32


class InvitationLinks:
    def __init__(self, secret: str, public_url: str | None) -> None:
        """`public_url`: where people reach the service. Without it a link begins with the address of the request."""
        self._key = hmac.digest(secret.encode(), b"goalspace.invitation", "sha256")
        self._public_url = public_url

    def hash_of(self, invitation_id: UUID) -> bytes:
        """What is stored."""
        return hashlib.sha256(self._secret_of(invitation_id)).digest()

    def token(self, invitation_id: UUID) -> str:
        return base64.urlsafe_b64encode(invitation_id.bytes + self._secret_of(invitation_id)).decode()

    def address(self, invitation_id: UUID, seen_at: str = "") -> str:
        """The token stands behind `#`: browsers keep that part to themselves."""
        return f"{(self._public_url or seen_at).rstrip('/')}/#invitation={self.token(invitation_id)}"

    def _secret_of(self, invitation_id: UUID) -> bytes:
        return hmac.digest(self._key, invitation_id.bytes, "sha256")


def read_token(token: str) -> tuple[UUID, bytes] | None:
    """The invitation's id and what its link holds; None for a text that is no token. The database compares the two."""
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return (UUID(bytes=raw[:_ID_BYTES]), raw[_ID_BYTES:]) if len(raw) == _ID_BYTES + _SECRET_BYTES else None
