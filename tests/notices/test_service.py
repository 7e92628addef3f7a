"""The service as it is set up: with a mail server the link goes to the invited, and to nobody else."""

import asyncio
from uuid import uuid4

import pytest

from assistant.app import create_app
from assistant.settings import Settings
from tests.fixtures.api import Caller, MakeCaller, open_space
from tests.fixtures.http import serve_app
from tests.notices.conftest import PUBLIC_URL, SENDER, Post


async def test_an_invitation_leaves_by_mail(
    settings: Settings, port: int, post: Post, make_caller: MakeCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.notices.postman.POLL_SECONDS", 0.05)
    mailing = Settings.model_validate(
        settings.model_dump() | {
            "smtp_url": f"smtp+plain://127.0.0.1:{port}", "mail_from": SENDER, "public_url": f"{PUBLIC_URL}/",
        }
    )  # fmt: skip
    arrived = asyncio.Event()

    async def note() -> None:
        arrived.set()

    post.wait = note
    ada = await make_caller()
    address = f"{uuid4().hex}@example.org"
    async with serve_app(create_app(mailing), mailing) as live, live.client() as http:
        me = Caller(http, live.token(ada.id, ada.email), ada.id, ada.email)
        space = await open_space(me)
        invited = await me.make(f"/api/spaces/{space['id']}/collaborators", {"email": address})
        assert invited["link"] is None
        async with asyncio.timeout(20):
            while not post.to(address):  # what other tests have left in the outbox arrives as well
                await arrived.wait()
                arrived.clear()
                await asyncio.sleep(0)
    body = post.only(address).get_body(("plain",))
    assert body is not None
    assert f"{PUBLIC_URL}/#invitation=" in body.get_content()
