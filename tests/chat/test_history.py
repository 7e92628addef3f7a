"""Which earlier turns a run is told: within the budget, cut between turns, the same cost however many there are."""

from typing import Any
from uuid import UUID

import pytest

from assistant.chat.history import _HISTORY, HISTORY_BYTES, MOST_TURNS, STEP_BYTES, History, cut_at, read_history
from assistant.db.session import Database
from assistant.llm.tokens import content_tokens
from assistant.mentor.history import prepare_history
from assistant.mentor.policies import HISTORY_TOKENS
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.threads import add_turn, plant_turns

TURN_BYTES = 7_000


@pytest.fixture
async def person(make_person: MakePerson) -> Person:
    return await make_person()


async def told(database: Database, person: Person) -> History:
    """What a run that follows the last one is told."""
    return await read_history(database, person.principal, await add_turn(database, person, "And now?"))


def numbers(history: History) -> list[int]:
    """Of the turns that are told word for word."""
    texts = [str(message["content"][0]["text"]) for message in history.messages if message["role"] == "assistant"]
    return [int(text.split()[1]) for text in texts]


def test_a_cut_stays_where_it_is_until_the_budget_is_passed() -> None:
    sizes = range(0, 10 * HISTORY_BYTES, 1_000)
    cuts = [cut_at(size) for size in sizes]

    assert all(0 <= size - cut <= HISTORY_BYTES for size, cut in zip(sizes, cuts, strict=True))
    assert cuts[: HISTORY_BYTES // 1_000 + 1] == [0] * (HISTORY_BYTES // 1_000 + 1)
    assert set(cuts) == set(range(0, max(cuts) + 1, STEP_BYTES))


async def test_all_is_told_while_it_fits(database: Database, person: Person) -> None:
    await plant_turns(database, person, 5, size=TURN_BYTES)

    history = await told(database, person)

    assert numbers(history) == [0, 1, 2, 3, 4]
    assert history.size > 5 * TURN_BYTES * 0.9
    assert not history.summary_missing


async def test_the_latest_turns_are_told_and_the_summary_stands_for_the_others(
    database: Database, person: Person
) -> None:
    runs = await plant_turns(database, person, 40, size=TURN_BYTES)

    late = await told(database, person)

    assert late.summary_missing
    assert sum(content_tokens(each["content"]) for each in late.messages) < HISTORY_TOKENS * 1.5
    first = numbers(late)[0]
    cut = cut_at(late.size)
    before_cut = [number for number in range(40) if await size_before(database, runs[number]) < cut]
    await summarise(database, person, runs[before_cut[-1]], "Ada wants to cross the bay.")

    history = await told(database, person)

    assert numbers(history) == list(range(before_cut[-1] + 1, 40))
    assert numbers(history)[0] > first
    assert not history.summary_missing
    assert "Ada wants to cross the bay." in prepare_history(history.messages)[0]["content"][0]["text"]
    assert sum(content_tokens(each["content"]) for each in history.messages) < HISTORY_TOKENS


async def test_a_turn_reads_no_more_of_a_long_conversation_than_of_a_short_one(
    database: Database, person: Person
) -> None:
    await plant_turns(database, person, 400, size=3_000)

    plan = await explain(database, person, await add_turn(database, person, "And now?"))

    assert max(rows_of(plan)) < 100
    assert "Seq Scan" not in str(plan)


async def test_nobody_is_told_anothers_turns(database: Database, person: Person, make_person: MakePerson) -> None:
    bob = await make_person()
    await plant_turns(database, person, 2, size=1_000)
    run = await add_turn(database, person, "Mine?")

    assert (await read_history(database, bob.principal, run)).messages == []


async def test_what_is_deleted_is_told_no_more(database: Database, person: Person) -> None:
    runs = await plant_turns(database, person, 3, size=1_000)
    await summarise(database, person, runs[1], "Ada said one thing.")
    async with database.transaction(person.principal) as connection:
        await connection.exec_driver_sql("delete from chat_messages where run_id = %s", (runs[1],))
        left = await connection.exec_driver_sql("select count(*) from assistant.thread_summaries")

    assert numbers(await told(database, person)) == [0, 2]
    assert left.scalar_one() == 0


async def size_before(database: Database, run_id: UUID) -> int:
    async with database.service("maintain") as connection:
        found = await connection.exec_driver_sql("select history_size from assistant.runs where id = %s", (run_id,))
        return int(found.scalar_one())


async def summarise(database: Database, person: Person, run_id: UUID, text: str) -> None:
    async with database.service("maintain") as connection:
        await connection.exec_driver_sql(
            "insert into assistant.thread_summaries (run_id, user_id, summary, tainted, turns, tokens, prompt_name, "
            "prompt_version, prompt_hash, model) values (%s, %s, %s, false, 1, 1, 'summarise', '1.0.0', 'x', 'm')",
            (run_id, person.id, text),
        )


async def explain(database: Database, person: Person, run_id: UUID) -> dict[str, Any]:
    values = {"run": run_id, "budget": HISTORY_BYTES, "step": STEP_BYTES, "turns": MOST_TURNS}
    async with database.transaction(person.principal) as connection:
        found = await connection.exec_driver_sql(
            "explain (analyze, format json, timing off, summary off) " + _HISTORY, values
        )
        plan: dict[str, Any] = found.scalar_one()[0]["Plan"]
        return plan


def rows_of(plan: dict[str, Any]) -> list[int]:
    """How many rows each part of a plan has brought forth."""
    here = int(plan["Actual Rows"] * plan["Actual Loops"])
    return [here, *(rows for child in plan.get("Plans", ()) for rows in rows_of(child))]
