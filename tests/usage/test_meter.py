"""Small uses are gathered: one row for each person, space and model, however many they were."""

from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from assistant.db.session import Database
from assistant.errors import UnavailableError
from assistant.usage.meter import MOST_KEPT, Meter
from tests.fixtures.database import MakePerson

BUNDLED = "bundled/all-minilm-l6-v2-int8"
HOSTED = "openai:text-embedding-3-small"

LOGGED = """
    select details ->> 'model', tokens_used, (details ->> 'calls')::int, resource_id from usage_logs
    where user_id = (select auth.uid()) order by details ->> 'model', tokens_used desc
"""


async def test_uses_become_a_row_each_kind_and_are_there_after_the_end(
    database: Database, make_person: MakePerson
) -> None:
    ada, bob = await make_person(), await make_person()
    meter = Meter(database)
    for _ in range(3):
        meter.embedded(ada.id, ada.space_id, HOSTED, 10)
    meter.embedded(ada.id, ada.space_id, BUNDLED, 10)
    meter.embedded(bob.id, ada.space_id, HOSTED, 7)
    meter.embedded(uuid4(), ada.space_id, HOSTED, 7)  # is gone by now
    assert await database.fetch(ada.principal, LOGGED) == [], "nothing waits for it"
    await meter.write()
    async with meter:
        meter.embedded(ada.id, ada.space_id, HOSTED, 5)
    assert await database.fetch(ada.principal, LOGGED) == [
        (BUNDLED, 0, 1, ada.space_id),
        (HOSTED, 30, 3, ada.space_id),
        (HOSTED, 5, 1, ada.space_id),
    ]
    assert await database.fetch(bob.principal, LOGGED) == [(HOSTED, 7, 1, ada.space_id)]
    spent = await database.fetch(ada.principal, "select tokens from assistant.usage_counters")
    assert spent == [(35,)]


@dataclass
class Away:
    """A database that is away for a while."""

    away: bool = True
    logged: list[Any] = field(default_factory=list)

    async def fetch_as_service(self, _: str, __: str, values: tuple[Any, ...]) -> list[Any]:
        if self.away:
            raise UnavailableError("away")
        self.logged += values[0].obj
        return []


async def test_what_cannot_be_logged_is_kept_within_bounds() -> None:
    there = Away()
    meter = Meter(cast(Database, there))
    person, space = uuid4(), uuid4()
    for number in range(MOST_KEPT + 50):
        meter.embedded(person, space, f"m-{number}", 1)
    meter.embedded(person, space, "m-0", 4)
    await meter.write()
    there.away = False
    await meter.write()
    await meter.write()
    assert len(there.logged) == MOST_KEPT
    assert there.logged[0]["details"]["input_tokens"] == 5
