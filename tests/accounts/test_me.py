"""One's own settings, and nobody else's."""

import pytest
from sqlalchemy import text

from assistant.db.session import Database
from tests.fixtures.api import Caller, errors_of


async def test_me_is_the_caller(ada: Caller) -> None:
    me = (await ada.get("/api/me")).json()
    assert (me["id"], me["email"]) == (str(ada.id), ada.email)
    assert me.keys() == {"id", "email", "full_name", "avatar_url", "created_at", "updated_at", "last_active_at"}


async def test_name_and_picture_can_be_changed_and_taken_back(ada: Caller) -> None:
    before = (await ada.get("/api/me")).json()
    answer = await ada.call("PATCH", "/api/me", {"full_name": "Ada", "avatar_url": "https://x.org/a.png?b=1"})
    assert answer.status_code == 200
    after = (await ada.get("/api/me")).json()
    assert after == answer.json()
    assert (after["full_name"], after["avatar_url"]) == ("Ada", "https://x.org/a.png?b=1")
    assert after["updated_at"] > before["updated_at"]
    assert (await ada.call("PATCH", "/api/me", {"avatar_url": None})).json()["avatar_url"] is None
    assert (await ada.call("PATCH", "/api/me", {})).json()["full_name"] == "Ada"


@pytest.mark.parametrize(
    ("field", "value"),
    [("avatar_url", value) for value in ("javascript:alert(1)", "data:image/png,x", "//x.org/a", "/a", "ftp://x.org",
                                         "https://", "https:///a", "https://x.org/ b", "https://x\n.org", "",
                                         "https://" + "x" * 2000, 5)]
    + [("full_name", ""), ("full_name", "x" * 201), ("email", "new@example.org"), ("id", "x"),
       ("last_active_at", None)],
)  # fmt: skip
async def test_malformed_changes_of_me(field: str, value: object, ada: Caller) -> None:
    answer = await ada.call("PATCH", "/api/me", {field: value})
    assert (answer.status_code, errors_of(answer)) == (422, [field])


async def test_preferences_are_there_from_the_start(ada: Caller, database: Database) -> None:
    first = (await ada.get("/api/me/preferences")).json()
    assert (first["theme"], first["language"], first["ai_model"]) == ("system", "en", "claude-3-haiku")
    assert first["notification_settings"] == {"email": True, "push": True}
    async with database.transaction(ada.principal) as connection:
        await connection.execute(text("delete from user_preferences"))
    again = (await ada.get("/api/me/preferences")).json()
    assert {name: again[name] for name in ("theme", "language")} == {"theme": "system", "language": "en"}


async def test_preferences_change_one_by_one(ada: Caller, bob: Caller) -> None:
    answer = await ada.call(
        "PATCH", "/api/me/preferences", {"theme": "dark", "notification_settings": {"email": False}}
    )
    assert answer.status_code == 200
    found = (await ada.get("/api/me/preferences")).json()
    assert (found["theme"], found["language"], found["notification_settings"]) == ("dark", "en", {"email": False})
    assert (await bob.get("/api/me/preferences")).json()["theme"] == "system"


async def test_preferences_that_were_deleted_can_be_set(ada: Caller, database: Database) -> None:
    async with database.transaction(ada.principal) as connection:
        await connection.execute(text("delete from user_preferences"))
    answer = await ada.call("PATCH", "/api/me/preferences", {"language": "de-CH"})
    assert (answer.json()["language"], answer.json()["theme"]) == ("de-CH", "system")


@pytest.mark.parametrize(
    "change",
    [{"theme": ""}, {"theme": "x" * 51}, {"language": "deutsch bitte"}, {"language": "d"}, {"ai_model": "x" * 201},
     {"notification_settings": {"email": "yes"}}, {"notification_settings": []}, {"notification_settings": None},
     {"user_id": "x"}],
)  # fmt: skip
async def test_malformed_preferences(change: dict[str, object], ada: Caller) -> None:
    answer = await ada.call("PATCH", "/api/me/preferences", change)
    assert answer.status_code == 422
    assert errors_of(answer)[0].startswith(next(iter(change)))


@pytest.mark.parametrize(
    ("key", "value"),
    [("email", 1), ("push", None), ("invitations", "no"), ("due_tasks", []), ("due_tasks_hour", 24),
     ("due_tasks_hour", -1), ("due_tasks_hour", 7.5), ("due_tasks_hour", "7"), ("time_zone", "Nowhere/At_all"),
     ("time_zone", "../etc/passwd"), ("time_zone", "Europe"), ("time_zone", ""), ("time_zone", 5)],
)  # fmt: skip
async def test_notification_settings_that_make_no_sense(key: str, value: object, ada: Caller) -> None:
    answer = await ada.call("PATCH", "/api/me/preferences", {"notification_settings": {key: value}})
    assert (answer.status_code, errors_of(answer)) == (422, [f"notification_settings.{key}"])


async def test_settings_of_other_programs_are_kept(ada: Caller) -> None:
    wishes = {"email": True, "due_tasks_hour": 18, "time_zone": "Europe/Berlin", "badge": {"count": 3}, "sound": "bell"}
    answer = await ada.call("PATCH", "/api/me/preferences", {"notification_settings": wishes})
    assert (answer.status_code, answer.json()["notification_settings"]) == (200, wishes)


async def test_notification_settings_are_bounded(ada: Caller) -> None:
    many = {f"channel {n} {'x' * 20}": True for n in range(500)}
    answer = await ada.call("PATCH", "/api/me/preferences", {"notification_settings": many})
    assert (answer.status_code, errors_of(answer)) == (422, ["notification_settings"])


async def test_without_a_subscription_the_tier_is_free(ada: Caller, database: Database) -> None:
    free = {"tier": "free", "status": "active", "starts_at": None, "ends_at": None}
    assert (await ada.get("/api/me/subscription")).json() == free
    periods = [("basic", "active", "1 day", "2 days"), ("pro", "canceled", "-2 days", "2 days"),
               ("pro", "past_due", "-2 days", None)]  # fmt: skip
    for tier, status, start, end in periods:
        await subscribe(database, ada, tier, status, start, end)
        assert (await ada.get("/api/me/subscription")).json() == free


async def test_the_subscription_that_counts_is_the_active_one_of_now(
    ada: Caller, bob: Caller, database: Database
) -> None:
    await subscribe(database, ada, "enterprise", "active", "-1 day", "1 day")
    assert (await ada.get("/api/me/subscription")).json()["tier"] == "enterprise"
    assert (await bob.get("/api/me/subscription")).json()["tier"] == "free"
    assert (await ada.call("PATCH", "/api/me/subscription", {"tier": "free"})).status_code == 405


async def subscribe(database: Database, person: Caller, tier: str, status: str, start: str, end: str | None) -> None:
    async with database.service("accounts") as connection:
        await connection.execute(
            text(
                "insert into subscriptions (user_id, tier, status, starts_at, ends_at) values "
                "(:user, :tier, :status, now() + cast(:start as interval), now() + cast(:end as interval))"
            ),
            {"user": person.id, "tier": tier, "status": status, "start": start, "end": end},
        )


async def test_usage_counts_this_month_by_action(ada: Caller, bob: Caller, database: Database) -> None:
    async with database.service("settle_usage") as connection:
        for person, action, tokens, when in (
            (ada, "chat", 100, "now()"), (ada, "chat", 50, "now()"), (ada, "embed", None, "now()"),
            (ada, "chat", 999, "now() - interval '40 days'"), (bob, "chat", 7, "now()"),
        ):  # fmt: skip
            await connection.execute(
                text(
                    "insert into usage_logs (user_id, resource_type, action, tokens_used, created_at) "
                    f"values (:user, 'run', :action, :tokens, {when})"
                ),
                {"user": person.id, "action": action, "tokens": tokens},
            )
    usage = (await ada.get("/api/me/usage")).json()
    assert [(row["action"], row["count"], row["tokens_used"]) for row in usage["by_action"]] == [
        ("chat", 2, 150),
        ("embed", 1, 0),
    ]
    assert (usage["count"], usage["tokens_used"]) == (3, 150)
    assert usage["period_start"].endswith("-01T00:00:00Z")
