"""All that one turn may touch, and what the model is told: system prompt, earlier turns, the question."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.errors import NotFoundError
from assistant.knowledge.retrieval import Passage, Retriever
from assistant.llm.events import Block
from assistant.llm.prompts import Prompt
from assistant.llm.tokens import content_tokens, text_tokens
from assistant.mentor.briefing import LearnerState, holds_foreign_text, write_turn
from assistant.mentor.delimiting import clean, clean_line
from assistant.mentor.events import Message
from assistant.mentor.policies import (
    HISTORY_KEPT_TOKENS,
    HISTORY_TOKENS,
    PASSAGE_CHARACTERS,
    PASSAGE_TOKENS,
    PASSAGES,
)
from assistant.spaces.mentor_config import Grounding, MentorConfig


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
    rules = [
        prompt.render("rules"),
        prompt.render(role if role in prompt.parts else DEFAULT_TYPE),
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


def prepare_history(
    messages: Sequence[Message], budget: int = HISTORY_TOKENS, kept: int = HISTORY_KEPT_TOKENS
) -> list[Message]:
    """Earlier turns as a provider takes them: the latest within `budget` tokens, tool calls paired, roles in turn.

    Begins with a question, ends with an answer, or is empty.
    """
    return alternate_roles(pair_tool_uses(trim_history(messages, budget, kept)))


def trim_history(messages: Sequence[Message], budget: int, kept: int) -> list[Message]:
    """The latest whole turns. Once they pass `budget` tokens they are cut to `kept`.

    Counted from the first message on, so that the cut stays where it is until the budget is passed again, and with it
    the beginning of the prompt that a provider caches.
    """
    turns = list(_turns(messages))
    sizes = [sum(content_tokens(message["content"]) for message in turn) for turn in turns]
    first = total = 0
    for position, size in enumerate(sizes):
        total += size
        if total > budget:
            while total > kept and (first < position or total > budget):
                total -= sizes[first]
                first += 1
    return [message for turn in turns[first:] for message in turn]


def _turns(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """A turn begins with a message of the user that is more than results. What comes before the first is left out."""
    turn: list[Message] = []
    for message in messages:
        if message["role"] == "user" and not _is_results(message):
            if turn:
                yield turn
            turn = [message]
        elif turn:
            turn.append(message)
    if turn:
        yield turn


def _is_results(message: Message) -> bool:
    return not isinstance(message["content"], str) and all(
        block.get("type") == "tool_result" for block in message["content"]
    )


CANCELLED: Final = "Cancelled: the turn ended before this call was carried out."

UNFINISHED: Final = "(This answer was not finished.)"


def pair_tool_uses(messages: Sequence[Message]) -> list[Message]:
    """The same messages with a result for each tool use, right behind it, and no result without its use.

    A use that was never answered, since the turn ended before, gets the result that it was cancelled.
    """
    paired: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        blocks = _blocks(message)
        if message["role"] == "assistant":
            if waiting:
                paired.append({"role": "user", "content": _cancelled(waiting)})
            waiting = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        else:
            results = {block["tool_use_id"]: block for block in blocks if block.get("type") == "tool_result"}
            answered = [results.get(use) or _cancelled([use])[0] for use in waiting]
            blocks = answered + [block for block in blocks if block.get("type") != "tool_result"]
            waiting = []
        if blocks:
            paired.append({**message, "content": blocks})
    return [*paired, {"role": "user", "content": _cancelled(waiting)}] if waiting else paired


def _blocks(message: Message) -> list[Block]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _cancelled(uses: Sequence[str]) -> list[Block]:
    return [{"type": "tool_result", "tool_use_id": use, "content": CANCELLED, "is_error": True} for use in uses]


def alternate_roles(messages: Sequence[Message]) -> list[Message]:
    """User, assistant, user …, assistant. Where an answer is missing, it is said that it was not finished."""
    unfinished: Message = {"role": "assistant", "content": [{"type": "text", "text": UNFINISHED}]}
    result: list[Message] = []
    for message in messages:
        if result and result[-1]["role"] == message["role"]:
            if message["role"] == "assistant":
                result[-1] = {**message, "content": [*_blocks(result[-1]), *_blocks(message)]}
                continue
            result.append(unfinished)
        if result or message["role"] == "user":
            result.append(message)
    return [*result, unfinished] if result and result[-1]["role"] == "user" else result


def mark_for_cache(messages: Sequence[Message]) -> list[Message]:
    """The same messages, all of them to be cached: the next round of the turn begins with them."""
    if not messages:
        return []
    *earlier, last = messages
    *blocks, final = _blocks(last)
    return [*earlier, {**last, "content": [*blocks, {**final, "cache_control": {"type": "ephemeral"}}]}]


def is_tainted(messages: Sequence[Message]) -> bool:
    """Whether the model reads text that the learner did not write: then no write happens without their approval."""
    return any(
        holds_foreign_text(text)
        for message in messages
        if message["role"] == "user"
        for text in _texts(_blocks(message))
    )


def _texts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        content = block.get("content") if block.get("type") == "tool_result" else block.get("text")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from _texts(content)
