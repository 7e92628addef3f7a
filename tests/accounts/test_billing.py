"""What the payment provider says: signed, once, in its order."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from assistant.app import create_app
from assistant.db.session import Database
from assistant.settings import Settings
from assistant.signatures import sign, signing_key
from tests.accounts.test_subscriptions import execute, stored, tier
from tests.fixtures.api import Caller, errors_of
from tests.fixtures.http import serve_app

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
async def provider(settings: Settings, server: object) -> AsyncIterator[httpx2.AsyncClient]:
    """Who may talk to a service that has the provider's secret."""
    paid = settings.model_copy(update={"billing_secret": SecretStr(SECRET)})
    async with serve_app(create_app(paid), paid) as live, live.client() as opened:
        yield opened


def event(who: Caller, at: datetime = NOON, **data: object) -> dict[str, Any]:
    named = {
        "user_id": str(who.id),
        "tier": "pro",
        "status": "active",
        "payment_provider": "example",
        "payment_reference": f"sub_{who.id}",
    }
    return {"type": "subscription.updated", "timestamp": at.isoformat(), "data": named | data}


async def send(
    provider: httpx2.AsyncClient,
    body: object,
    *,
    event_id: str | None = None,
    age: int = 0,
    secret: str = SECRET,
    signature: str | None = None,
) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    message_id, sent_at = event_id or uuid4().hex, str(int(time.time()) - age)
    signed = signature if signature is not None else sign(signing_key(secret), message_id, sent_at, content)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": sent_at,
        "webhook-signature": signed,
        "content-type": "application/json",
    }
    return await provider.post("/webhooks/billing", content=content, headers=headers)


async def said(provider: httpx2.AsyncClient, body: object, **options: Any) -> str:
    answer = await send(provider, body, **options)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["outcome"])


async def test_who_pays_has_the_tier_with_its_reference(
    provider: httpx2.AsyncClient, ada: Caller, database: Database
) -> None:
    assert await said(provider, event(ada)) == "applied"
    assert await tier(ada) == "pro"
    async with database.service("accounts") as connection:
        row = await connection.exec_driver_sql(
            "select payment_provider, payment_reference, event_at from subscriptions where user_id = %s", (ada.id,)
        )
        assert tuple(row.one()) == ("example", f"sub_{ada.id}", NOON)


async def test_an_address_names_the_user_as_well(provider: httpx2.AsyncClient, ada: Caller) -> None:
    body = event(ada, email=ada.email.upper())
    del body["data"]["user_id"]
    assert await said(provider, body) == "applied"
    assert await tier(ada) == "pro"


async def test_the_same_event_counts_once(provider: httpx2.AsyncClient, ada: Caller, database: Database) -> None:
    body, event_id = event(ada), uuid4().hex
    answers = await asyncio.gather(*(said(provider, body, event_id=event_id) for _ in range(6)))
    assert sorted(answers) == ["applied", *["duplicate"] * 5]
    assert len(await stored(database, ada.id)) == 1


async def test_events_that_come_in_the_wrong_order_end_as_they_were_meant(
    provider: httpx2.AsyncClient, ada: Caller
) -> None:
    later = NOON + timedelta(minutes=5)
    assert await said(provider, event(ada, later, status="canceled")) == "applied"
    assert await said(provider, event(ada, NOON)) == "outdated"
    assert await tier(ada) == "free"
    assert await said(provider, event(ada, later + timedelta(minutes=5), tier="basic")) == "applied"
    assert await tier(ada) == "basic"


async def test_a_life_from_paid_to_unpaid_to_paid_to_ended(
    provider: httpx2.AsyncClient, ada: Caller, database: Database
) -> None:
    tiers = []
    for hour, status in enumerate(("active", "past_due", "active", "canceled")):
        assert await said(provider, event(ada, NOON + timedelta(hours=hour), status=status)) == "applied"
        tiers.append(await tier(ada))
    assert tiers == ["pro", "free", "pro", "free"]
    assert await stored(database, ada.id) == [("pro", "canceled", True)]


async def test_a_new_subscription_ends_the_one_an_operator_gave(
    provider: httpx2.AsyncClient, ada: Caller, database: Database
) -> None:
    await execute(
        database,
        "insert into subscriptions (user_id, tier, status, starts_at) values (%s, 'basic', 'active', '2026-01-01')",
        ada.id,
    )
    assert await said(provider, event(ada)) == "applied"
    assert sorted(await stored(database, ada.id)) == [("basic", "canceled", True), ("pro", "active", False)]


async def test_somebody_unknown_is_said_and_can_be_sent_again(
    provider: httpx2.AsyncClient, ada: Caller, database: Database
) -> None:
    body, event_id = event(ada, user_id=str(uuid4())), uuid4().hex
    for _ in range(2):
        answer = await send(provider, body, event_id=event_id)
        assert (answer.status_code, answer.json()["code"], errors_of(answer)) == (422, "unknown_user", ["data"])
    assert await said(provider, event(ada), event_id=event_id) == "applied"


async def test_a_reference_stays_its_users(provider: httpx2.AsyncClient, ada: Caller, bob: Caller) -> None:
    await said(provider, event(ada))
    answer = await send(provider, event(bob, payment_reference=f"sub_{ada.id}"))
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_reference_taken")
    assert await tier(bob) == "free"


@pytest.mark.parametrize(
    "fault",
    [{"secret": "whsec_" + "A" * 32}, {"age": 301}, {"age": -301}, {"signature": ""}, {"signature": "v1,AAAA v1,=="}],
)
async def test_what_is_not_signed_now_by_the_provider_is_not_read(
    provider: httpx2.AsyncClient, ada: Caller, fault: dict[str, Any]
) -> None:
    for body in (event(ada), b"no json"):
        answer = await send(provider, body, **fault)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert await tier(ada) == "free"


async def test_headers_that_are_missing_or_no_text(provider: httpx2.AsyncClient) -> None:
    for headers in ({}, {"webhook-id": "a"}, {b"webhook-id": b"\xff", b"webhook-timestamp": b"\xff"}):
        answer = await provider.post("/webhooks/billing", content=b"{}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"tier": "gold"}, "data.tier"),
        ({"status": "paused"}, "data.status"),
        ({"user_id": "ada"}, "data.user_id"),
        ({"payment_reference": ""}, "data.payment_reference"),
        ({"payment_provider": None}, "data.payment_provider"),
        ({"ends_at": "2026-11-25T12:00:00"}, "data.ends_at"),
        ({"starts_at": "2026-11-25T12:00:00Z", "ends_at": "2026-11-25T12:00:00Z"}, "data.ends_at"),
        ({"email": "no address"}, "data.email"),
    ],
)
async def test_what_makes_no_sense_is_said_with_its_path(
    provider: httpx2.AsyncClient, ada: Caller, data: dict[str, Any], path: str
) -> None:
    answer = await send(provider, event(ada, **data))
    assert (answer.status_code, errors_of(answer)) == (422, [path])


async def test_an_event_has_to_name_its_user(provider: httpx2.AsyncClient, ada: Caller) -> None:
    body = event(ada)
    del body["data"]["user_id"]
    answer = await send(provider, body)
    assert (answer.status_code, errors_of(answer)) == (422, ["data.user_id"])


async def test_bodies_are_json_and_bounded(provider: httpx2.AsyncClient) -> None:
    assert (await send(provider, b"[")).status_code == 400
    assert (await send(provider, b'"\\ud800"')).status_code in (400, 422)
    assert (await send(provider, b"[]")).status_code == 422
    assert (await send(provider, b" " * 70_000)).status_code == 413


async def test_events_of_other_kinds_and_further_fields_are_left_to_others(
    provider: httpx2.AsyncClient, ada: Caller
) -> None:
    assert await said(provider, {"type": "invoice.paid", "data": {"amount": 5}}) == "ignored"
    assert await said(provider, event(ada, plan={"id": 7})) == "applied"


async def test_without_a_secret_there_is_nothing(anybody: Caller, ada: Caller) -> None:
    answer = await anybody.call("POST", "/webhooks/billing", event(ada))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
