"""`POST /webhooks/billing`: what the payment provider says, signed as Standard Webhooks has it.

Headers `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature` (`v1,` and base64, several apart by spaces);
signed is `id.timestamp.body` with HMAC-SHA256. The body is not looked at before its signature is good.
"""

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import post
from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import UNSET, Meta, Struct, UnsetType

from assistant.accounts import subscriptions
from assistant.accounts.schemas import Email
from assistant.accounts.subscriptions import PaidSubscription, Status, Tier
from assistant.body import read_json, strictly
from assistant.db.session import Database
from assistant.errors import InvalidError, NotFoundError, UnauthorizedError
from assistant.http import Moment, Outgoing
from assistant.signatures import is_signed, signing_key

WINDOW_SECONDS: Final = 300
"""How far the sender's clock may be off; what was signed earlier or later is refused."""

MAX_BODY_BYTES: Final = 64 * 1024

OF_SUBSCRIPTIONS: Final = "subscription."


class BillingVerdict(Outgoing):
    """`applied`; `duplicate`: taken in before; `outdated`: a newer event came first; `ignored`: of another kind."""

    outcome: str


class BillingData(Struct):
    """A subscription as it is now. Further fields are the provider's own business and are not read."""

    tier: Tier
    status: Status
    payment_provider: Annotated[str, Meta(min_length=1, max_length=100)]
    payment_reference: Annotated[str, Meta(min_length=1, max_length=200)]
    user_id: UUID | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    starts_at: Moment | None = None
    ends_at: Moment | None = None


class BillingEvent(Struct):
    type: Annotated[str, Meta(min_length=1, max_length=100)]
    timestamp: Moment
    data: BillingData


class _Kind(Struct):
    type: Annotated[str, Meta(min_length=1, max_length=100)]


class BillingGate:
    """Lets in what the payment provider has signed."""

    def __init__(self, secret: str | None) -> None:
        """`secret` is `whsec_` and base64; without one there is no provider, and nothing at this address."""
        self._key = None if secret is None else signing_key(secret)

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """The event's id. Raises NotFoundError where there is no secret, UnauthorizedError."""
        if self._key is None:
            raise NotFoundError("There is nothing at this address.")
        event_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not is_signed(self._key, event_id, sent_at, body, headers.get("webhook-signature", "")):
            raise UnauthorizedError("The signature is missing or wrong.", code="bad_signature")
        if abs(now - int(sent_at)) > WINDOW_SECONDS:
            raise UnauthorizedError("This was signed too long ago, or ahead of time.", code="bad_signature")
        return event_id


@post(
    "/webhooks/billing",
    operation_id="TakeInBillingEvent",
    status_code=200,
    request_max_body_size=MAX_BODY_BYTES,
    tags=["webhooks"],
)
async def take_in_billing_event(
    request: Request[Any, Any, Any], billing: NamedDependency[BillingGate], database: NamedDependency[Database]
) -> BillingVerdict:
    """For the payment provider: a subscription as it is now, signed by the Standard Webhooks scheme; see docs/api.md.

    401 `bad_signature`; 422 `unknown_user`, after which the same event may be sent again; 404 where no secret is set.
    """
    body = await request.body()
    event_id = billing.check(request.headers, body, time.time())
    value = read_json(body)
    if not strictly(value, _Kind).type.startswith(OF_SUBSCRIPTIONS):
        return BillingVerdict("ignored")
    paid = as_subscription(event_id, strictly(value, BillingEvent))
    return BillingVerdict(await subscriptions.take_in(database, paid))


def as_subscription(event_id: str, event: BillingEvent) -> PaidSubscription:
    """Raises InvalidError where it names no user, or ends before it begins."""
    data = event.data
    if data.user_id is UNSET and data.email is UNSET:
        raise InvalidError("Name the user: user_id or email.", path="data.user_id")
    if data.starts_at is not None and data.ends_at is not None and data.ends_at <= data.starts_at:
        raise InvalidError("A subscription ends after it begins.", path="data.ends_at")
    return PaidSubscription(
        event_id=event_id,
        said_at=event.timestamp,
        user_id=data.user_id if isinstance(data.user_id, UUID) else None,
        email=data.email if isinstance(data.email, str) else None,
        tier=data.tier,
        status=data.status,
        starts_at=data.starts_at,
        ends_at=data.ends_at,
        provider=data.payment_provider,
        reference=data.payment_reference,
    )
