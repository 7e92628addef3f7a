"""What is done for a conversation after an answer: its title, and summaries of what is not told any more."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from assistant.chat import answering
from assistant.chat.history import STEP_BYTES, cut_at, read_history
from assistant.chat.tending import BranchRun, Tender, summaries_wanted
from assistant.db.session import Database
from assistant.llm.events import Completed, Model, ModelError, ModelEvent, ModelRequest, TextDelta, Usage
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.events import MentorEvent, Turn, TurnRecord
from assistant.mentor.history import prepare_history
from assistant.mentor.offline import OfflineModel
from assistant.mentor.summaries import Summariser, Summary
from assistant.mentor.titles import Titles
from assistant.resources import resource_dir
from tests.chat.conftest import Chat, question, read_events
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.threads import add_turn, plant_conversation, plant_turns

PROMPTS = PromptLibrary(resource_dir("prompts"))
Answer = Callable[[str], str]


@dataclass
class Speaker:
    """A model that says what a test scripts, from what it was told."""

    answer: Answer
    told: list[str] = field(default_factory=list)
    name: str = "scripted"
    fallback: str | None = None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        told = request.messages[0]["content"][0]["text"]
        self.told.append(told)
        text = self.answer(told)
        yield TextDelta(text)
        yield Completed([{"type": "text", "text": text}], "end_turn", Usage(100, 10, 0, 0), "claude-scripted")


def fails(_: str) -> str:
    raise ModelError("model_overloaded")


def tender(database: Database, model: Model) -> Tender:
    return Tender(database, Summariser(model, PROMPTS, "claude-scripted"), Titles(model, PROMPTS, "claude-scripted"))


@pytest.fixture
async def person(make_person: MakePerson) -> Person:
    return await make_person()


async def titles(database: Database, person: Person) -> tuple[str | None, str | None]:
    found = await database.fetch(person.principal, "select title, made_title from assistant.threads")
    return found[0][0], found[0][1]


async def summaries(database: Database, person: Person) -> dict[UUID, str]:
    rows = await database.fetch(person.principal, "select run_id, summary from assistant.thread_summaries")
    return dict(rows)


async def usage(database: Database, person: Person) -> list[tuple[str, int]]:
    rows = await database.fetch(
        person.principal, "select action, tokens_used from usage_logs order by action, tokens_used"
    )
    return [(action, tokens) for action, tokens in rows]


async def test_a_conversation_is_named_after_its_first_question(database: Database, person: Person) -> None:
    [run] = await plant_conversation(database, person, [("Hallo! Wie binde ich einen Palstek?", "So.")])

    await tender(database, OfflineModel()).tend(run)

    assert await titles(database, person) == (None, "Wie binde ich einen Palstek?")
    assert await usage(database, person) == []


async def test_a_model_names_it_once_and_what_that_cost_is_logged(database: Database, person: Person) -> None:
    [run] = await plant_conversation(database, person, [("How do I tie a bowline?", "First make a loop.")])
    model = Speaker(lambda _: '"Tying a bowline."\nIs that right?')

    await tender(database, model).tend(run)
    await tender(database, model).tend(run)

    assert await titles(database, person) == (None, "Tying a bowline")
    assert await usage(database, person) == [("title", 110)]
    assert "How do I tie a bowline?" in model.told[0]
    assert "First make a loop." in model.told[0]


async def test_a_name_that_a_person_gave_is_left_alone(database: Database, person: Person) -> None:
    [run] = await plant_conversation(database, person, [("What?", "That.")])
    await database.fetch(person.principal, "update assistant.threads set title = 'Mine' returning 1")

    await tender(database, Speaker(fails)).tend(run)

    assert await titles(database, person) == ("Mine", None)


async def test_what_the_next_turn_is_not_told_is_summarised_step_by_step(database: Database, person: Person) -> None:
    runs = await plant_turns(database, person, 34, size=7_000)
    model = Speaker(lambda told: f"- Notes of {told.count('Learner:')} turns, and {told.count('Notes of')} before.")

    await tender(database, model).tend(runs[-1])
    history = await read_history(database, person.principal, await add_turn(database, person, "And now?"))

    assert not history.summary_missing
    told = prepare_history(history.messages)
    assert "Notes of" in told[0]["content"][0]["text"]
    assert len(await summaries(database, person)) == cut_at(history.size) // STEP_BYTES
    # The first is made of turns alone, each further one of the one before, and every turn is read once.
    assert [text.count("Notes of") for text in model.told[1:]] == [0, *[1] * (len(model.told) - 2)]
    assert sum(text.count("Learner:") for text in model.told[1:]) == 34 - sum(
        1 for each in told if each["role"] == "assistant"
    )
    made = len(model.told)
    await tender(database, model).tend(runs[-1])
    assert len(model.told) == made
    assert (await usage(database, person))[0][0] == "summarise"


async def test_a_failing_model_harms_nothing_and_is_tried_again(database: Database, person: Person) -> None:
    runs = await plant_turns(database, person, 20, size=7_000)

    await tender(database, Speaker(fails)).tend(runs[-1])
    history = await read_history(database, person.principal, await add_turn(database, person, "And now?"))
    assert history.summary_missing
    assert history.wants_tending(0)
    assert history.messages

    await tender(database, OfflineModel()).tend(runs[-1])
    assert await titles(database, person) == (None, "Question 0?")


async def test_what_others_wrote_taints_a_summary_and_all_that_follow(database: Database, person: Person) -> None:
    runs = await plant_turns(database, person, 30, size=7_000)
    async with database.service("maintain") as connection:
        await connection.exec_driver_sql(
            "update assistant.run_steps set blocks = jsonb_build_array(jsonb_build_object('type', 'text', 'text', "
            '\'<passage-0a1b2c3d n="1" author="other">\')) || blocks where run_id = %s and n = 0',
            (runs[2],),
        )
    await tender(database, Speaker(lambda _: "- Nothing.")).tend(runs[-1])

    rows = await database.fetch(person.principal, "select tainted from assistant.thread_summaries")
    assert len(rows) > 1
    assert all(tainted for (tainted,) in rows)


async def test_a_summary_of_another_prompt_is_made_again(database: Database, person: Person) -> None:
    runs = await plant_turns(database, person, 30, size=7_000)
    await tender(database, Speaker(lambda _: "- Old.")).tend(runs[-1])
    async with database.service("maintain") as connection:
        await connection.exec_driver_sql(
            "update assistant.thread_summaries set prompt_hash = 'of another' where user_id = %s", (person.id,)
        )

    await tender(database, Speaker(lambda _: "- New.")).tend(runs[-1])

    assert sorted((await summaries(database, person)).values()).count("- New.") == 1


@pytest.mark.parametrize("summary", [1, 2])
async def test_a_message_deleted_meanwhile_is_in_no_summary(database: Database, person: Person, summary: int) -> None:
    """Neither in the one that it is read for, nor in the next, which goes on from that."""
    runs = await plant_turns(database, person, 34, size=7_000)

    class Slow(Speaker):
        made = 0

        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            self.made += "Learner:" in str(request.messages)  # which has been read, and will be stored
            if self.made == summary:
                statement = "delete from chat_messages where run_id = %s returning 1"
                await database.fetch(person.principal, statement, (runs[0],))
            async for event in Speaker.stream(self, request):
                yield event

    await tender(database, Slow(lambda _: "- Answer 0.")).tend(runs[-1])

    assert await summaries(database, person) == {}


async def test_nothing_is_done_for_who_lost_the_space(
    database: Database, person: Person, make_person: MakePerson
) -> None:
    bob = await make_person()
    guest = Person(bob.id, bob.email, bob.goal_id, person.space_id, bob.principal)
    runs = await plant_turns(database, guest, 20, size=7_000)

    await tender(database, Speaker(lambda _: "- Something.")).tend(runs[-1])

    async with database.service("maintain") as connection:
        left = await connection.exec_driver_sql(
            "select count(*) from assistant.thread_summaries where user_id = %s", (bob.id,)
        )
        assert left.scalar_one() == 0


async def test_a_thread_is_tended_after_an_answer_and_only_where_it_lacks_something(
    database: Database, person: Person, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[UUID] = []

    async def note(_: Database, run_id: UUID) -> None:
        asked.append(run_id)

    async def remembers(turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        await turn.conversation.history()
        record.text = "Yes."
        yield TextDelta("Yes.")

    monkeypatch.setattr(answering, "tend_later", note)
    chat.mentor.script = remembers
    runs = []
    for title in (None, "Knots"):
        await database.fetch(person.principal, "update assistant.threads set title = %s returning 1", (title,))
        runs.append(await chat.service.begin(person.principal, question(person.space_id)))
        await read_events(chat, person.principal, runs[-1])
    await chat.runs.close(grace=5)

    assert asked == [runs[0].id]


def branch(sizes: Sequence[int], *summarised: int, prompt_hash: str = "now") -> list[BranchRun]:
    """Runs of these sizes, the latest first; those at the places in `summarised` have a summary."""
    runs, before = [], 0
    for place, size in enumerate(sizes):
        summary = Summary("…", tainted=False, turns=1) if place in summarised else None
        runs.append(BranchRun(UUID(int=place), before, size, summary, prompt_hash if summary else None))
        before += size
    return runs[::-1]


def wanted(runs: list[BranchRun], prompt_hash: str = "now") -> list[tuple[int | None, list[int]]]:
    return [
        (base if base is None else base.int, [run.int for run in group])
        for base, group in summaries_wanted(runs, prompt_hash)
    ]


def test_which_summaries_are_wanted() -> None:
    half = STEP_BYTES // 2
    sizes = [half] * 8

    assert wanted([]) == []
    assert wanted(branch(sizes[:4])) == []
    assert wanted(branch(sizes)) == [(None, [0, 1]), (1, [2, 3])]
    assert wanted(branch(sizes, 1)) == [(1, [2, 3])]
    assert wanted(branch(sizes, 1, 3)) == []
    assert wanted(branch(sizes, 1, 3, prompt_hash="then")) == [(1, [2, 3])]
    assert wanted(branch([10 * STEP_BYTES])) == [(None, [0])]
