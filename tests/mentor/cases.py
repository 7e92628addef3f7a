"""Runs the cases of prompts/mentor/cases through a whole turn: real database, search, tools; the model is the offline
mentor, or says what the case has it say."""

import json
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import yaml

from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.knowledge.indexing import Indexer
from assistant.knowledge.language import detect_language
from assistant.knowledge.retrieval import Retriever
from assistant.llm.embeddings import Embedder
from assistant.llm.events import Model
from assistant.llm.model import AnthropicModel
from assistant.llm.prompts import PromptLibrary
from assistant.llm.retry import Backoff
from assistant.mentor.context import build_question, build_system
from assistant.mentor.events import MentorEvent, Message, ToolResult, Turn, TurnRecord
from assistant.mentor.loop import Mentor
from assistant.mentor.offline import OfflineModel
from assistant.resources import resource_dir
from assistant.spaces.mentor_config import MentorConfig, validate_config
from tests.fixtures.briefing import MARKER, learner_state
from tests.fixtures.database import join_space, make_user
from tests.fixtures.scripted_model import ScriptedModel, ToolUse, say
from tests.fixtures.turns import Notebook

FOLDER: Final = resource_dir("prompts") / "mentor" / "cases"

Case = dict[str, Any]


def read_cases() -> list[Case]:
    return [yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))]


@dataclass(frozen=True, slots=True)
class Stage:
    """A space as a case has it, and who asks in it."""

    case: Case
    principal: Principal
    space_id: UUID


@dataclass(slots=True)
class Outcome:
    """What came of a case."""

    record: TurnRecord
    system: str
    events: list[MentorEvent] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Theatre:
    database: Database
    embedder: Embedder

    async def set_up(self, case: Case) -> Stage:
        """A space of its own for the case, its documents indexed."""
        space, config = case.get("space", {}), case.get("space", {}).get("config", {})
        validate_config(config)
        owner, asker = (await make_user(self.database))[0], (await make_user(self.database))[0]
        role = space.get("role", "owner")
        space_id = await self._open(owner, space, config, "private" if role == "owner" else "shared")
        if role == "owner":
            asker = owner
        else:
            await join_space(self.database, space_id, asker, role)
        await self._fill(space_id, asker, owner, space)
        await Indexer(self.database, self.embedder).index_space(space_id)
        return Stage(case, learner(asker), space_id)

    async def play(self, stage: Stage, prompts: Path) -> Outcome:
        """One turn, with the words of `prompts`."""
        library = PromptLibrary(prompts)
        config = MentorConfig.parse(stage.case.get("space", {}).get("config", {}))
        system = "\n\n".join(block["text"] for block in build_system(library.get("mentor"), config))
        outcome = Outcome(TurnRecord(), system)
        async with ScriptedModel() as server:
            model: Model = OfflineModel()
            if "replies" in stage.case:
                model = AnthropicModel("key", server.base_url, backoff=Backoff(tries=1))
                server.script(*(say(*map(_piece, reply)) for reply in stage.case["replies"]))
            retriever = Retriever(self.database, self.embedder)
            mentor = Mentor(self.database, model, retriever, library, "claude-haiku")
            notebook = Notebook([await _earlier(stage, each, retriever) for each in stage.case.get("history", [])])
            turn = Turn(stage.principal, stage.space_id, stage.case["message"], notebook)
            async with aclosing(mentor.answer(turn, outcome.record)) as events:
                outcome.events = [event async for event in events]
            if isinstance(model, AnthropicModel):
                await model.aclose()
        outcome.calls = [
            block for role, blocks in notebook.steps if role == "assistant" for block in blocks if "input" in block
        ]
        for table in ("tasks", "module_progress", "goals"):
            outcome.rows[table] = await self._count(stage, table)
        return outcome

    async def _open(self, owner: UUID, space: dict[str, Any], config: dict[str, Any], visibility: str) -> UUID:
        goal_id, space_id = uuid4(), uuid4()
        async with self.database.transaction(learner(owner)) as connection:
            run = connection.exec_driver_sql
            await run("insert into goals (id, user_id, title) values (%s, %s, 'Learn it')", (goal_id, owner))
            await run(
                "insert into spaces (id, goal_id, user_id, title, visibility, ai_mentor_config)"
                " values (%s, %s, %s, %s, %s, %s::text::jsonb)",
                (space_id, goal_id, owner, space.get("title", "Space"), visibility, json.dumps(config)),
            )
        return space_id

    async def _fill(self, space_id: UUID, asker: UUID, owner: UUID, space: dict[str, Any]) -> None:
        async with self.database.transaction(learner(owner)) as connection:
            run = connection.exec_driver_sql
            for place, module in enumerate(space.get("modules", []), 1):
                given = module if isinstance(module, dict) else {"title": module}
                module_id = uuid4()
                await run(
                    "insert into modules (id, space_id, title, content_type, order_index)"
                    " values (%s, %s, %s, 'text', %s)",
                    (module_id, space_id, given["title"], place),
                )
                if "progress" in given:
                    await run(
                        "insert into module_progress (module_id, user_id, completion_percentage) values (%s, %s, %s)",
                        (module_id, asker, given["progress"]),
                    )
            for task in space.get("tasks", []):
                given = task if isinstance(task, dict) else {"title": task}
                await run(
                    "insert into tasks (space_id, title, due_date) values (%s, %s, now() + %s * interval '1 day')",
                    (space_id, given["title"], given.get("due_in_days")),
                )
            for document in space.get("documents", []):
                if document.get("author") != "other":
                    await run(*_insertion(space_id, document))
        for document in space.get("documents", []):
            if document.get("author") == "other":  # nobody knows whose
                async with self.database.service("maintain") as connection:
                    await connection.exec_driver_sql(*_insertion(space_id, document))

    async def _count(self, stage: Stage, table: str) -> int:
        where = "space_id = %s" if table == "tasks" else "user_id = %s"
        value = stage.space_id if table == "tasks" else stage.principal.user_id
        async with self.database.service("maintain") as connection:
            counted = await connection.exec_driver_sql(f"select count(*) from {table} where {where}", (value,))
            return int(counted.scalar() or 0)


def _insertion(space_id: UUID, document: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    statement = "insert into documents (space_id, title, content, content_type) values (%s, %s, %s, 'markdown')"
    return statement, (space_id, document["title"], document["content"])


def _piece(piece: dict[str, Any]) -> str | ToolUse:
    return piece["text"] if piece["type"] == "text" else ToolUse(piece["name"], piece["input"], piece["id"])


async def _earlier(stage: Stage, message: dict[str, str], retriever: Retriever) -> Message:
    """A message of the history, a question with what was found for it."""
    if message["role"] == "user":
        found = await retriever.retrieve(stage.principal, stage.space_id, message["content"])
        return {"role": "user", "content": build_question(learner_state(), found, message["content"], MARKER)}
    return {"role": "assistant", "content": [{"type": "text", "text": message["content"]}]}


def faults(case: Case, outcome: Outcome) -> list[str]:
    """What the case expects and did not get."""
    expected, text, found = case["expect"], outcome.record.text, []
    found += [f"lacks {words!r}" for words in expected.get("contains", []) if words.lower() not in text.lower()]
    found += [f"has {words!r}" for words in expected.get("lacks", []) if words.lower() in text.lower()]
    found += [f"prompt lacks {rule!r}" for rule in expected.get("system_contains", []) if rule not in outcome.system]
    if "cites" in expected:
        found += _wrong_citations(expected["cites"], outcome)
    if "calls" in expected:
        found += _wrong_calls(expected["calls"], outcome)
    if "outcomes" in expected:
        told = [event.data["status"] for event in outcome.events if isinstance(event, ToolResult)]
        found += [f"outcomes {told}"] if told != expected["outcomes"] else []
    if "rows" in expected:
        found += [
            f"{table}: {outcome.rows[table]} rows" for table, n in expected["rows"].items() if outcome.rows[table] != n
        ]
    if "language" in expected and detect_language(text, "en") != expected["language"]:
        found.append(f"language {detect_language(text, 'en')}")
    if "asks" in expected and expected["asks"] is not ("?" in text):
        found.append("asks nothing" if expected["asks"] else "asks something")
    if "stop_reason" in expected and outcome.record.stop_reason != expected["stop_reason"]:
        found.append(f"stopped for {outcome.record.stop_reason}")
    return found


def _wrong_citations(expected: list[dict[str, str]], outcome: Outcome) -> list[str]:
    citations = outcome.record.citations
    if not expected:
        return [f"cites {citations[0].title}"] if citations else []
    return [
        f"does not cite {each}"
        for each in expected
        if not any(
            citation.title == each["document"]
            and each.get("quote", "") in citation.quote
            and each.get("heading", "") in (citation.heading or "")
            for citation in citations
        )
    ]


def _wrong_calls(expected: list[dict[str, Any]], outcome: Outcome) -> list[str]:
    calls = [(call["name"], call["input"]) for call in outcome.calls]
    if [name for name, _ in calls] != [each["tool"] for each in expected]:
        return [f"calls {calls}"]
    return [
        f"calls {name} with {given}"
        for (name, given), each in zip(calls, expected, strict=True)
        if not each.get("arguments", {}).items() <= given.items()
    ]
