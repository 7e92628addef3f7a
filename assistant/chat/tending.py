"""What is done for a conversation after an answer: a title, and a summary of what the next turn is not told any more.

A job, one at a time for each thread. What it cannot do, because a model fails or the process dies, is found missing by
the next turn, and is tried again after its answer; until then that turn is told what there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from assistant.chat.history import HISTORY_BYTES, STEP_BYTES, cut_at
from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.errors import AssistantError
from assistant.llm.prompts import Prompt
from assistant.mentor.aside import Aside
from assistant.mentor.events import Message
from assistant.mentor.summaries import Summariser, Summary
from assistant.mentor.titles import Titles
from assistant.usage.reservations import Pay, paying

log = structlog.get_logger(__name__)

STEPS_AT_ONCE: Final = 4
"""Summaries that one job makes. A long conversation that has none is caught up with in several jobs."""

TITLE_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Thread:
    """What a job finds."""

    user_id: UUID
    space_id: UUID
    thread_id: str
    leaf: UUID | None
    titled: bool

    @property
    def principal(self) -> Principal:
        return learner(self.user_id)


@dataclass(frozen=True, slots=True)
class BranchRun:
    """A turn of the branch that is shown, with the summary that ends with it."""

    id: UUID
    size_before: int
    size: int
    summary: Summary | None
    prompt_hash: str | None


class Tender:
    """Tends threads; one per process."""

    def __init__(self, database: Database, summariser: Summariser, titles: Titles) -> None:
        self._database = database
        self._summariser = summariser
        self._titles = titles

    async def tend(self, run_id: UUID) -> None:
        """Make what is missing for the thread of that run. A failing model is logged, and nothing else."""
        thread = await find_thread(self._database, run_id)
        if thread is None:  # deleted meanwhile
            return
        try:
            if not thread.titled:
                await self._name(thread)
            if thread.leaf is not None and await self._summarise(thread, thread.leaf):
                await tend_later(self._database, run_id)
        except AssistantError as error:
            log.warning("thread_not_tended", run=str(run_id), code=error.code)

    async def _name(self, thread: Thread) -> None:
        beginning = await first_messages(self._database, thread)
        if not beginning:
            return
        question, answer = beginning
        title = await self._titles.name(question, answer, self._pay(thread))
        await store_title(self._database, thread, title[:TITLE_CHARACTERS])

    async def _summarise(self, thread: Thread, leaf: UUID) -> bool:
        """Bring the summaries of the branch up to where the next turn's history will be cut; whether more is left."""
        branch = await read_branch(self._database, thread.principal, leaf)
        prompt = self._summariser.prompt
        wanted = summaries_wanted(branch, prompt.hash)
        summaries = {run.id: run.summary for run in branch}
        for base, covered in wanted[:STEPS_AT_ONCE]:
            earlier = None if base is None else summaries[base]
            messages = await read_turns(self._database, thread.principal, covered)
            summary, call = await self._summariser.summarise(earlier, messages, self._pay(thread))
            summaries[covered[-1]] = summary
            if not await store_summary(self._database, base, covered, len(messages), summary, call, prompt):
                log.info("summary_outdated", run=str(covered[-1]))
                return False
        return len(wanted) > STEPS_AT_ONCE

    def _pay(self, thread: Thread) -> Pay:
        return partial(paying, self._database, thread.user_id, thread.space_id)


def summaries_wanted(branch: Sequence[BranchRun], prompt_hash: str) -> list[tuple[UUID | None, list[UUID]]]:
    """Which summaries are missing on a branch (its latest run first), in the order in which they are to be made.

    Each with the run whose summary it goes on from, if there is one, and the runs that it takes in; it ends with the
    last of them. One that another prompt made is made again, if it is the one that is used next.
    """
    if not branch:
        return []
    cut = cut_at(branch[0].size_before + branch[0].size)
    before = [run for run in branch if run.size_before < cut]
    if not before or (before[0].summary is not None and before[0].prompt_hash == prompt_hash):
        return []
    base = next((place for place, run in enumerate(before) if place and run.summary is not None), len(before))
    runs = before[:base][::-1]
    groups: list[list[UUID]] = []
    last = -1
    for run in runs:
        step = run.size_before // STEP_BYTES
        if step != last:
            groups.append([])
            last = step
        groups[-1].append(run.id)
    starts: list[UUID | None] = [before[base].id if base < len(before) else None, *(group[-1] for group in groups)]
    return list(zip(starts, groups, strict=False))


# --- statements -------------------------------------------------------------------------------------------------------

_TEND_LATER: Final = "select private.tend_thread(%s)"


async def tend_later(database: Database, run_id: UUID) -> None:
    """Have the thread of that run tended by a worker, once however often that is asked."""
    await database.fetch_as_service("tend_thread", _TEND_LATER, (run_id,))


_FIND: Final = """
select t.user_id, t.space_id, t.thread_id,
       (select a.id from assistant.runs a where a.id = t.active_run_id and a.finished_at is not null),
       coalesce(t.title, t.made_title) is not null
from assistant.runs r join assistant.threads t using (user_id, space_id, thread_id) where r.id = %s
"""


async def find_thread(database: Database, run_id: UUID) -> Thread | None:
    rows = await database.fetch_as_service("tend_thread", _FIND, (run_id,))
    return Thread(*rows[0]) if rows else None


# Through the index of the thread, and as the person: who has lost the space has no more done for them.
_FIRST_MESSAGES: Final = """
select (array_agg(m.message order by m.created_at, m.id) filter (where m.is_from_user))[1],
       (array_agg(m.message order by m.created_at, m.id) filter (where not m.is_from_user and m.message <> ''))[1]
from (select m.id, m.is_from_user, m.message, m.created_at from public.chat_messages m
      where m.user_id = (select auth.uid()) and m.space_id = %s and m.thread_id = %s
      order by m.created_at, m.id limit 6) m
"""


async def first_messages(database: Database, thread: Thread) -> tuple[str, str] | None:
    """The first question and what was answered, perhaps nothing."""
    [(question, answer)] = await database.fetch(thread.principal, _FIRST_MESSAGES, (thread.space_id, thread.thread_id))
    return (question, answer or "") if question else None


_STORE_TITLE: Final = """
update assistant.threads set made_title = %s
where user_id = %s and space_id = %s and thread_id = %s and made_title is null
"""


async def store_title(database: Database, thread: Thread, title: str) -> None:
    values = (title, thread.user_id, thread.space_id, thread.thread_id)
    await database.fetch_as_service("tend_thread", _STORE_TITLE, values)


# Back to the second summary before the next cut: one of them may have to be made again from the other.
_BRANCH: Final = """
with recursive branch (id, parent_id, size_before, size, summaries, depth, cut) as (
    select r.id, r.parent_id, r.history_size, s.size, 0, 0,
           greatest(0, ceil((r.history_size + s.size - %(budget)s)::numeric / %(step)s)::bigint) * %(step)s
    from assistant.runs r cross join lateral (
        select coalesce(sum(octet_length(p.blocks::text)), 0)::bigint from assistant.run_steps p
        where p.run_id = r.id) s (size)
    where r.id = %(leaf)s
    union all
    select r.id, r.parent_id, r.history_size, b.size_before - r.history_size,
           b.summaries + (r.history_size < b.cut and r.has_summary)::int, b.depth + 1, b.cut
    from branch b cross join lateral (
        select r.id, r.parent_id, r.history_size,
               exists (select from assistant.thread_summaries t where t.run_id = r.id offset 0) as has_summary
        from assistant.runs r where r.id = b.parent_id offset 0) r
    where b.summaries < 2 and b.cut > 0
)
select b.id, b.size_before, b.size, t.summary, t.tainted, t.turns, t.prompt_hash
from branch b left join lateral (
    select * from assistant.thread_summaries t where t.run_id = b.id offset 0) t on true
order by b.depth
"""


async def read_branch(database: Database, principal: Principal, leaf: UUID) -> list[BranchRun]:
    """The turns of the branch that ends with `leaf`, the latest first, as far back as summaries are of concern."""
    rows = await database.fetch(principal, _BRANCH, {"leaf": leaf, "budget": HISTORY_BYTES, "step": STEP_BYTES})
    return [
        BranchRun(id_, before, size, None if text is None else Summary(text, tainted, turns), prompt_hash)
        for id_, before, size, text, tainted, turns, prompt_hash in rows
    ]


_TURNS: Final = """
select p.role, p.blocks from unnest(%s::uuid[]) with ordinality as r (id, place)
cross join lateral (select p.role, p.blocks, p.n from assistant.run_steps p where p.run_id = r.id offset 0) p
order by r.place, p.n
"""


async def read_turns(database: Database, principal: Principal, runs: Sequence[UUID]) -> list[Message]:
    """What the model was told and said in those runs."""
    rows = await database.fetch(principal, _TURNS, (list(runs),))
    return [{"role": role, "content": blocks} for role, blocks in rows]


# Nothing that was deleted while the model was at it, of these turns or of those before, with whose messages the summary
# of them goes: then it is made anew after the next answer.
_STORE_SUMMARY: Final = """
insert into assistant.thread_summaries as t
    (run_id, user_id, summary, tainted, turns, tokens, prompt_name, prompt_version, prompt_hash, model)
select r.id, r.user_id, %(summary)s, %(tainted)s, %(turns)s, %(tokens)s, %(name)s, %(version)s, %(hash)s, %(model)s
from assistant.runs r
where r.id = %(last)s
  and (select count(*) from assistant.run_steps p where p.run_id = any (%(covered)s)) = %(steps)s
  and (%(base)s::uuid is null or exists (select from assistant.thread_summaries b where b.run_id = %(base)s))
on conflict (run_id) do update set summary = excluded.summary, tainted = excluded.tainted, turns = excluded.turns,
    tokens = excluded.tokens, prompt_name = excluded.prompt_name, prompt_version = excluded.prompt_version,
    prompt_hash = excluded.prompt_hash, model = excluded.model, created_at = now()
returning 1
"""


async def store_summary(
    database: Database,
    base: UUID | None,
    covered: Sequence[UUID],
    steps: int,
    summary: Summary,
    call: Aside,
    prompt: Prompt,
) -> bool:
    """False: some of the `steps` that were read of the runs in `covered`, or the summary up to `base`, are gone."""
    values: dict[str, Any] = {
        "base": base,
        "last": covered[-1],
        "covered": list(covered),
        "steps": steps,
        "summary": summary.text,
        "tainted": summary.tainted,
        "turns": summary.turns,
        "tokens": call.usage.output_tokens or 0,
        "name": prompt.name,
        "version": prompt.version,
        "hash": prompt.hash,
        "model": call.model,
    }
    return bool(await database.fetch_as_service("tend_thread", _STORE_SUMMARY, values))
