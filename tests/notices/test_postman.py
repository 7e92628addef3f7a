"""Messages from their cause to the mailbox: invitations, and once a day what is due."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
import yaml
from sqlalchemy import text

from assistant.db.session import Database
from assistant.notices import outbox
from assistant.notices.phrases import LANGUAGES, WORDS
from assistant.notices.postman import Postman
from tests.fixtures.api import Caller, MakeCaller, open_space
from tests.fixtures.database import join_space
from tests.notices.conftest import PUBLIC_URL, MakePostman, Post, mailer


@pytest.fixture(autouse=True)
async def empty(database: Database) -> None:
    """Other tests invite people, too."""
    async with database.service("maintain") as connection:
        await connection.execute(text("delete from assistant.outbox"))
        await connection.execute(text("update tasks set due_date = null"))


async def rows(database: Database, **where: object) -> list[Any]:
    conditions = " and ".join(f"{name} = :{name}" for name in where) or "true"
    async with database.service("maintain") as connection:
        return list(await connection.execute(text(f"select * from assistant.outbox where {conditions}"), where))


async def make_due(database: Database) -> None:
    """As if the pause before the next try were over."""
    async with database.service("maintain") as connection:
        await connection.execute(text("update assistant.outbox set due_at = now()"))


def texts_of(letter: Any) -> tuple[str, str]:
    plain, html = letter.get_body(("plain",)).get_content(), letter.get_body(("html",)).get_content()
    return str(plain), str(html)


async def prefer(caller: Caller, wishes: dict[str, object], language: str = "en") -> None:
    body = {"language": language, "notification_settings": wishes}
    answer = await caller.call("PATCH", "/api/me/preferences", body)
    assert answer.status_code == 200, answer.text


# --- invitations ------------------------------------------------------------------------------------------------------


async def test_who_is_invited_by_address_gets_the_link(
    ada: Caller, postman: Postman, post: Post, make_caller: MakeCaller
) -> None:
    await ada.call("PATCH", "/api/me", {"full_name": "Ada <b>& Co"})
    space = await open_space(ada, title='Knots & "Bends" <script>')
    address = f"{uuid4().hex}@example.org"
    await ada.make(f"/api/spaces/{space['id']}/collaborators", {"email": address, "role": "editor"})
    await postman.work()
    letter = post.only(address)
    assert letter["Subject"] == 'Ada <b>& Co invites you to “Knots & "Bends" <script>”'
    assert (letter["From"], letter["To"]) == ("GoalSpace Übung <mentor@example.org>", address)
    assert (letter["Auto-Submitted"], letter["List-Unsubscribe"]) == ("auto-generated", None)
    plain, html = texts_of(letter)
    assert "<script>" in plain
    assert "<script>" not in html
    assert "Ada &lt;b&gt;&amp; Co" in html
    [link] = set(re.findall(rf"{PUBLIC_URL}/#invitation=[\w=-]+", plain))
    assert link in html
    newcomer = await make_caller()
    answer = await newcomer.call("POST", "/api/invitations/accept", {"token": link.partition("=")[2]})
    assert answer.json() == {"space_id": space["id"]}


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "You are invited to “Sailing”"), ("de-CH", "Du bist zu „Sailing“ eingeladen"),
     ("es-419", "Tienes una invitación a «Sailing»"), ("tlh", "You are invited to “Sailing”")],
)  # fmt: skip
async def test_it_is_in_the_language_of_who_reads_it(
    language: str, sentence: str, ada: Caller, bob: Caller, postman: Postman, post: Post
) -> None:
    await prefer(bob, {}, language)
    space = await open_space(ada)
    await ada.make(f"/api/spaces/{space['id']}/collaborators", {"user_id": str(bob.id)})
    await postman.work()
    letter = post.only(bob.email)
    assert letter["Subject"] == sentence
    assert letter["Content-Language"] == ("en" if language == "tlh" else language[:2])
    plain, html = texts_of(letter)
    assert "{" not in plain + html.partition("<body")[2]
    assert f"{PUBLIC_URL}/\n" in plain.replace("\r", "")


@pytest.mark.parametrize("wishes", [{"email": False}, {"invitations": False}])
@pytest.mark.parametrize("by", ["email", "user_id"])
async def test_who_does_not_want_mail_gets_none(
    wishes: dict[str, object], by: str, ada: Caller, bob: Caller, postman: Postman, post: Post, database: Database
) -> None:
    await prefer(bob, wishes)
    space = await open_space(ada)
    whom = bob.email if by == "email" else str(bob.id)
    await ada.make(f"/api/spaces/{space['id']}/collaborators", {by: whom})
    await postman.work()
    assert post.letters == {}
    assert await rows(database) == []
    assert len((await bob.get("/api/invitations")).json()["items"]) == 1


async def test_what_was_withdrawn_or_answered_is_not_sent(
    ada: Caller, bob: Caller, postman: Postman, post: Post, database: Database
) -> None:
    space = await open_space(ada)
    path = f"/api/spaces/{space['id']}/collaborators"
    withdrawn = await ada.make(path, {"email": f"{uuid4().hex}@example.org"})
    accepted = await ada.make(path, {"user_id": str(bob.id)})
    assert len(await rows(database)) == 2
    await ada.call("DELETE", f"{path}/{withdrawn['id']}")
    await bob.call("POST", f"/api/invitations/{accepted['id']}/accept")
    await postman.work()
    assert post.letters == {}


async def test_a_space_carries_no_addresses_of_others(ada: Caller, postman: Postman, post: Post) -> None:
    space = await open_space(ada, title="Win at https://evil.example/x now, or www.evil.example\nBcc: x@example.org")
    address = f"{uuid4().hex}@example.org"
    await ada.make(f"/api/spaces/{space['id']}/collaborators", {"email": address})
    await postman.work()
    letter = post.only(address)
    assert "evil" not in str(letter["Subject"]) + "".join(texts_of(letter))
    assert letter["Bcc"] is None


# --- what is due ------------------------------------------------------------------------------------------------------


async def add_task(owner: Caller, space: dict[str, Any], title: str, hours: float, **values: object) -> None:
    due = datetime.now(UTC) + timedelta(hours=hours)
    await owner.make(f"/api/spaces/{space['id']}/tasks", {"title": title, "due_date": due.isoformat(), **values})


def hour_now() -> int:
    return datetime.now(UTC).hour


async def test_what_is_due_is_told_once_a_day_to_those_whose_it_is(
    ada: Caller, bob: Caller, make_caller: MakeCaller, postman: Postman, post: Post, database: Database
) -> None:
    carol, dave = await make_caller(), await make_caller()
    for caller in (ada, bob, carol, dave):
        await prefer(caller, {"due_tasks_hour": hour_now()})
    shared = await open_space(ada, title="Shared", visibility="public")
    await join_space(database, UUID(shared["id"]), bob.id, "viewer")
    await join_space(database, UUID(shared["id"]), carol.id, "viewer", accepted=False)
    hidden = await open_space(ada, title="Hidden")
    await join_space(database, UUID(hidden["id"]), bob.id, "editor")
    await add_task(ada, shared, "Tie a knot", 3)
    await add_task(ada, shared, "Yesterday's", -20)
    await add_task(ada, shared, "Long ago", -24 * 8)
    await add_task(ada, shared, "Next week", 24 * 7)
    await add_task(ada, shared, "Done", 2, status="completed")
    await add_task(ada, hidden, "A secret", 1)
    for _ in range(2):
        await postman.work()
        postman._digests_at = float("-inf")
    assert set(post.letters) == {ada.email, bob.email, carol.email}
    assert "invited" in str(post.only(carol.email)["Subject"]), "who has not accepted is told of no tasks"
    plain, html = texts_of(post.only(ada.email))
    assert post.only(ada.email)["Subject"] == "3 tasks are due"
    assert [title in plain for title in ("Tie a knot", "Yesterday's", "A secret")] == [True] * 3
    assert [title in plain for title in ("Long ago", "Next week", "Done")] == [False] * 3
    assert "Yesterday&#39;s" in html
    assert "was due" in plain
    theirs, _ = texts_of(post.only(bob.email))
    assert post.only(bob.email)["Subject"] == "2 tasks are due"
    assert "A secret" not in theirs


async def test_nothing_due_nothing_sent(ada: Caller, postman: Postman, post: Post, database: Database) -> None:
    await prefer(ada, {"due_tasks_hour": hour_now()})
    space = await open_space(ada)
    await add_task(ada, space, "Later", 30)
    await postman.work()
    assert (post.letters, await rows(database)) == ({}, [])
    await add_task(ada, space, "Soon", 3)
    await outbox.queue_digests(database, datetime.now(UTC))
    task = (await ada.get(f"/api/spaces/{space['id']}/tasks")).json()["items"][1]
    await ada.call("PATCH", f"/api/tasks/{task['id']}", {"status": "completed"})
    await postman.work()
    assert (post.letters, await rows(database)) == ({}, [])


@pytest.mark.parametrize(
    ("wishes", "at", "expected"),
    [
        ({}, "07:00", True), ({}, "12:59", True), ({}, "06:59", False), ({}, "13:00", False),
        ({"due_tasks_hour": 20}, "20:30", True), ({"due_tasks_hour": 20}, "07:30", False),
        ({"time_zone": "America/New_York"}, "12:00", True), ({"time_zone": "America/New_York"}, "10:00", False),
        ({"email": False}, "07:00", False), ({"due_tasks": False}, "07:00", False),
    ],
)  # fmt: skip
async def test_it_comes_in_the_hour_that_they_want_on_their_own_clock(
    wishes: dict[str, object], at: str, expected: bool, ada: Caller, database: Database
) -> None:
    """On the 25th of November New York is five hours behind."""
    moment = datetime.fromisoformat(f"2026-11-25T{at}:00+00:00")
    await prefer(ada, wishes)
    space = await open_space(ada)
    due = (moment + timedelta(hours=5)).isoformat()
    await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": "Soon", "due_date": due})
    await outbox.queue_digests(database, moment)
    assert len(await rows(database, user_id=ada.id)) == expected


@pytest.mark.parametrize(
    "wishes", ['{"time_zone": "Nowhere/At_all"}', '{"time_zone": 5, "due_tasks_hour": "x"}', "{}", None]
)
async def test_settings_that_make_no_sense_keep_nobody_from_being_told(
    wishes: str | None, ada: Caller, bob: Caller, database: Database
) -> None:
    """Clients of the database may write what they like there."""
    moment = datetime(2026, 11, 25, 8, tzinfo=UTC)
    async with database.transaction(ada.principal) as connection:
        await connection.execute(
            text("update user_preferences set notification_settings = cast(:s as jsonb)"), {"s": wishes}
        )
    for caller in (ada, bob):
        space = await open_space(caller)
        due = (moment + timedelta(hours=5)).isoformat()
        await caller.make(f"/api/spaces/{space['id']}/tasks", {"title": "Soon", "due_date": due})
    await outbox.queue_digests(database, moment)
    assert len(await rows(database)) == 2


async def test_a_long_list_is_cut_and_counted(ada: Caller, postman: Postman, post: Post) -> None:
    await prefer(ada, {"due_tasks_hour": hour_now(), "time_zone": "Europe/Berlin"}, "de")
    space = await open_space(ada)
    for n in range(23):
        await add_task(ada, space, f"Task {n}", 1 + n / 10)
    await postman.work()
    letter = post.only(ada.email)
    assert letter["Subject"] == "23 Aufgaben sind fällig"
    plain, _ = texts_of(letter)
    assert "Task 19" in plain
    assert "Task 20" not in plain
    assert "und 3 weitere" in plain


def test_every_language_has_every_sentence_with_the_same_slots() -> None:
    def slots(language: str) -> dict[str, set[str]]:
        words = yaml.safe_load((WORDS / f"{language}.yaml").read_text("utf-8"))
        flat = {(name, ""): text for name, text in words.items() if isinstance(text, str)}
        flat |= {
            (name, key): text for name, texts in words.items() if isinstance(texts, dict) for key, text in texts.items()
        }
        return {".".join(key): set(re.findall(r"{(\w+)}", text)) for key, text in flat.items()}

    assert set(LANGUAGES) == {"en", "de", "es"}
    assert slots("de") == slots("en") == slots("es")


# --- turning it off ---------------------------------------------------------------------------------------------------


async def test_one_click_turns_it_off_without_signing_in(
    ada: Caller, anybody: Caller, postman: Postman, post: Post, database: Database
) -> None:
    await prefer(ada, {"due_tasks_hour": hour_now(), "theirs": "kept"})
    await add_task(ada, await open_space(ada), "Soon", 3)
    await postman.work()
    letter = post.only(ada.email)
    assert letter["Subject"] == "“Soon” is due"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = str(letter["List-Unsubscribe"]).strip("<>")
    assert address.startswith(f"{PUBLIC_URL}/unsubscribe/")
    plain, html = texts_of(letter)
    assert address in plain
    assert address in html
    path = address.removeprefix(PUBLIC_URL)
    looked_at = await anybody.get(path)
    assert (looked_at.status_code, looked_at.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Do not send me these" in looked_at.text
    german = await anybody.get(path, headers={"Accept-Language": "fr-CA, de-AT;q=0.8, en;q=0.5"})
    assert "nicht mehr schicken" in german.text
    assert (await ada.get("/api/me/preferences")).json()["notification_settings"].get("due_tasks") is None
    for _ in range(2):  # RFC 8058: a form, and no more
        done = await anybody.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
    found = (await ada.get("/api/me/preferences")).json()["notification_settings"]
    assert found == {"due_tasks_hour": hour_now(), "theirs": "kept", "due_tasks": False}
    async with database.service("maintain") as connection:
        await connection.execute(text("delete from assistant.outbox"))
    await outbox.queue_digests(database, datetime.now(UTC))
    assert await rows(database) == []


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: "A" + t[1:], lambda t: t + "A", lambda t: "x", lambda t: "é"]
)
async def test_an_address_that_is_not_whole_turns_nothing_off(
    change: Any, ada: Caller, anybody: Caller, postman: Postman, post: Post
) -> None:
    await prefer(ada, {"due_tasks_hour": hour_now()})
    await add_task(ada, await open_space(ada), "Soon", 3)
    await postman.work()
    token = str(post.only(ada.email)["List-Unsubscribe"]).strip("<>").rpartition("/")[2]
    for method in ("GET", "POST"):
        assert (await anybody.call(method, f"/unsubscribe/{change(token)}")).status_code == 404
    assert "due_tasks" not in (await ada.get("/api/me/preferences")).json()["notification_settings"]


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.fixture
def said() -> Iterator[list[Any]]:
    """What is logged meanwhile."""
    with structlog.testing.capture_logs() as entries:
        yield entries


async def invite_somebody(owner: Caller) -> str:
    space = await open_space(owner, title=uuid4().hex)
    address = f"{uuid4().hex}@example.org"
    await owner.make(f"/api/spaces/{space['id']}/collaborators", {"email": address})
    return address


async def test_a_server_that_is_down_is_tried_again_and_given_up_in_the_end(
    ada: Caller, make_postman: MakePostman, database: Database, said: list[Any], post: Post, postman: Postman
) -> None:
    address = await invite_somebody(ada)
    nowhere = make_postman(mailer(1, step_seconds=1))
    pauses = []
    for attempt in range(1, len(outbox.RETRIES) + 2):
        await nowhere.work()
        [row] = await rows(database)
        assert (row.attempts, row.sent_at, row.error) == (attempt, None, "SMTPConnectError")
        pauses.append((row.due_at - datetime.now(UTC)).total_seconds())
        await nowhere.work()
        assert (await rows(database))[0].attempts == attempt
        await make_due(database)
    assert [round(pause, -1) for pause in pauses[:-1]] == list(outbox.RETRIES)
    [row] = await rows(database)
    assert row.failed_at is not None
    await postman.work()
    assert post.letters == {}
    assert address not in str(said)
    assert [entry["tries_again"] for entry in said if entry["event"] == "notice_not_sent"] == [True] * 6 + [False]


async def test_it_arrives_once_the_server_is_back(
    ada: Caller, postman: Postman, post: Post, make_postman: MakePostman, database: Database
) -> None:
    address = await invite_somebody(ada)
    await make_postman(mailer(1, step_seconds=1)).work()
    await make_due(database)
    await postman.work()
    assert len(post.to(address)) == 1
    [row] = await rows(database)
    assert (row.error, row.attempts) == (None, 2)
    assert row.sent_at is not None


async def test_one_who_is_refused_keeps_nobody_else_back(
    ada: Caller, postman: Postman, post: Post, database: Database, said: list[Any]
) -> None:
    refused, welcome = await invite_somebody(ada), await invite_somebody(ada)
    post.refusals[refused] = f"550 No mailbox {refused}"
    await postman.work()
    assert set(post.letters) == {welcome}
    [row] = [row for row in await rows(database) if row.failed_at is not None]
    assert row.error == "recipient refused (550)"
    assert refused not in str(said)


async def test_an_address_that_is_a_list_is_none(ada: Caller, postman: Postman, post: Post, database: Database) -> None:
    space = await open_space(ada)
    for odd in (f"a,b-{uuid4().hex}@example.org", f"<{uuid4().hex}@example.org"):
        await ada.make(f"/api/spaces/{space['id']}/collaborators", {"email": odd})
    await postman.work()
    assert post.letters == {}
    assert {row.error for row in await rows(database)} == {"no address"}


async def test_who_died_before_noting_it_sends_the_same_message_again(
    ada: Caller, postman: Postman, post: Post, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = await invite_somebody(ada)

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark_sent", die)
        with pytest.raises(asyncio.CancelledError):
            await postman.work()
    await postman.work()
    assert len(post.to(address)) == 1, "it is held by who died"
    await make_due(database)
    await postman.work()
    first, second = post.to(address)
    assert first["Message-ID"] == second["Message-ID"]


async def test_two_postmen_send_each_message_once(
    ada: Caller, port: int, post: Post, make_postman: MakePostman
) -> None:
    addresses = [await invite_somebody(ada) for _ in range(8)]
    await asyncio.gather(*(make_postman(mailer(port)).work() for _ in range(3)))
    assert {address: len(post.to(address)) for address in addresses} == dict.fromkeys(addresses, 1)


async def test_no_connection_is_held_while_the_server_is_slow(
    ada: Caller, postman: Postman, post: Post, database: Database
) -> None:
    await invite_somebody(ada)
    held: list[int] = []

    async def look() -> None:
        async with database.service("maintain") as connection:
            count = text("select count(*) from pg_stat_activity where state like 'idle in transaction%'")
            held.append(await connection.scalar(count))

    post.wait = look
    await postman.work()
    assert held == [0]


async def test_without_a_mail_server_nothing_waits_for_ever(ada: Caller, database: Database) -> None:
    await invite_somebody(ada)
    postman = Postman(database, None)
    await postman.work()
    assert len(await rows(database)) == 1
    async with database.service("maintain") as connection:
        await connection.execute(text("update assistant.outbox set created_at = now() - interval '2 hours'"))
    postman._digests_at = float("-inf")
    await postman.work()
    assert await rows(database) == []
