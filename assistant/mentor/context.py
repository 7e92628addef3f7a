"""All that one turn may touch, and what the model is told: system prompt, the learner's state, the question."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import msgspec
import structlog

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.errors import NotFoundError
from assistant.knowledge.retrieval import Passage, Retriever
from assistant.llm.events import Block
from assistant.llm.prompts import Prompt
from assistant.llm.tokens import text_tokens
from assistant.mentor.briefing import LearnerState, holds_foreign_text, write_turn
from assistant.mentor.delimiting import clean, clean_line
from assistant.mentor.events import Message
from assistant.mentor.history import blocks_of
from assistant.mentor.policies import PASSAGE_CHARACTERS, PASSAGE_TOKENS, PASSAGES
from assistant.spaces.mentor_config import Grounding, MentorConfig

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MentorContext:
    """What the tools of one turn are given. Who acts, and where, is said here and never by a model."""

    principal: Principal
    space_id: UUID
    config: MentorConfig
    can_write: bool
    """The learner may add and change what the space holds; the database decides all the same."""
    marker: str
    """This turn's, see assistant/mentor/delimiting.py."""
    now: datetime
    database: Database
    retriever: Retriever


# Everything in one statement: it is read before each answer, and nothing of it may be from another moment.
_LEARNER_STATE: Final = """
with me as materialized (select auth.uid() as id)
select to_json(state) from (
select
    statement_timestamp() as now,
    me.id as user_id,
    s.title as space,
    left(s.description, 1000) as description,
    s.ai_mentor_config as mentor_config,
    (s.user_id = me.id or exists (
        select from public.space_collaborators c
        where c.space_id = s.id and c.user_id = me.id and c.accepted_at is not null
          and c.role in ('editor', 'admin') and s.visibility <> 'private')) as can_write,
    (select jsonb_build_object('title', g.title, 'due_date', g.due_date)
        from public.goals g where g.id = s.goal_id) as goal,
    (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from (
        select g.title, g.due_date from public.goals g
        where g.user_id = me.id and g.status = 'active' and g.id <> s.goal_id
        order by g.due_date, g.created_at desc, g.id limit 5) o) as other_goals,
    (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from (
        select m.id, m.title, coalesce(p.completion_percentage, 0) as completion_percentage
        from public.modules m
        left join public.module_progress p on p.module_id = m.id and p.user_id = me.id
        where m.space_id = s.id
        order by m.order_index, m.id limit 40) o) as modules,
    (select count(*) from public.modules m where m.space_id = s.id) as module_count,
    (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from (
        select t.title, t.status, t.priority, t.due_date, m.title as module
        from public.tasks t left join public.modules m on m.id = t.module_id
        where t.space_id = s.id and t.status in ('pending', 'in_progress')
        order by t.due_date, t.created_at, t.id limit 12) o) as open_tasks,
    counted.open_task_count,
    counted.overdue_count,
    (select max(p.last_interaction_at) from public.module_progress p
        join public.modules m on m.id = p.module_id
        where m.space_id = s.id and p.user_id = me.id) as last_activity,
    u.ai_model,
    u.language
from public.spaces s
cross join me
left join public.user_preferences u on u.user_id = me.id
cross join lateral (
    select count(*) as open_task_count,
           count(*) filter (where t.due_date < statement_timestamp()) as overdue_count
    from public.tasks t where t.space_id = s.id and t.status in ('pending', 'in_progress')) counted
where s.id = %s) state
"""


async def load_learner_state(database: Database, principal: Principal, space_id: UUID) -> LearnerState:
    """The caller's state in this space. Raises NotFoundError where they may not see it."""
    rows = await database.fetch(principal, _LEARNER_STATE, (space_id,))
    if not rows:
        raise NotFoundError("There is no such space.")
    return msgspec.convert(rows[0][0], LearnerState)


DEFAULT_TYPE: Final = "types/default"

_SHORT: Final = 200
"""Characters of a wish that is a word or two, or a row of them."""

_INSTRUCTIONS: Final = 8000
"""Characters of an owner's instructions: some 2,000 tokens in each turn."""


def build_system(prompt: Prompt, config: MentorConfig) -> list[Block]:
    """The system prompt: rules and role, the same for all spaces of a kind, then the owner's wishes.

    Two cache marks: the first part is shared between spaces, both are the same in every turn.
    Raises ConfigurationError where the prompt's folder lacks a part.
    """
    role = f"types/{config.type}"
    if role not in prompt.parts:
        log.info("mentor_type_unknown", known=[part for part in prompt.parts if part.startswith("types/")])
        role = DEFAULT_TYPE
    rules = [
        prompt.render("rules"),
        prompt.render(role),
        prompt.render(f"grounding/{config.grounding}"),
    ]
    return [_cached("\n\n".join(rules)), _cached(prompt.render("owner", _wishes(config)))]


def check_prompt(prompt: Prompt) -> None:
    """Raises ConfigurationError where a mentor could not be told what it must know: at the start, not in a turn."""
    for grounding in get_args(Grounding):
        build_system(prompt, MentorConfig(grounding=grounding))


def _wishes(config: MentorConfig) -> dict[str, str]:
    """The values of the owner's slots. The marker is a hash of them: the same each turn, and nothing they can hold."""
    short = {
        "name": config.name or "",
        "personality": config.personality or "",
        "tone": config.tone or "",
        "language": config.language or "",
        "expertise": ", ".join(config.expertise),
    }
    instructions = (config.instructions or "")[:_INSTRUCTIONS]
    marker = hashlib.sha256(msgspec.json.encode([short, instructions])).hexdigest()[:8]
    wishes = {slot: clean_line(value, marker, _SHORT) for slot, value in short.items()}
    return wishes | {"instructions": clean(instructions, marker).strip(), "marker": marker}


def _cached(text: str) -> Block:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def build_question(
    state: LearnerState,
    passages: Sequence[Passage] | None,
    question: str,
    marker: str,
    *,
    language: str | None = None,
) -> list[Block]:
    """The blocks of a turn's question: the learner's state, `passages` numbered from 1, what they said.

    `passages` must have gone through `fit_passages`; None means that they could not be searched, which is told.
    `language` is the one that the space's owner set for all answers.
    """
    return write_turn(state, passages, question, marker, language)


def fit_passages(passages: Sequence[Passage]) -> list[Passage]:
    """The best of them that are within the turn's limits, each a verbatim slice of its document as before."""
    fitting: list[Passage] = []
    left = PASSAGE_TOKENS
    for passage in passages[:PASSAGES]:
        cut = _cut(passage)
        left -= text_tokens(cut.text)
        if left < 0:
            break
        fitting.append(cut)
    return fitting


def _cut(passage: Passage) -> Passage:
    if len(passage.text) <= PASSAGE_CHARACTERS:
        return passage
    text = passage.text[:PASSAGE_CHARACTERS]
    return replace(passage, text=text, end=passage.start + len(text))


def mark_for_cache(messages: Sequence[Message]) -> list[Message]:
    """The same messages, all of them to be cached: the next round of the turn begins with them."""
    if not messages:
        return []
    *earlier, last = messages
    *blocks, final = blocks_of(last)
    return [*earlier, {**last, "content": [*blocks, {**final, "cache_control": {"type": "ephemeral"}}]}]


def is_tainted(messages: Sequence[Message]) -> bool:
    """Whether the model reads text that the learner did not write: then no write happens without their approval."""
    return any(
        holds_foreign_text(text)
        for message in messages
        if message["role"] == "user"
        for text in _texts(blocks_of(message))
    )


def _texts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        content = block.get("content") if block.get("type") == "tool_result" else block.get("text")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from _texts(content)
