"""The turns that the model is told again, and the summary that stands for those before them.

Turns are read from the last one back, each by the one that it follows, until the budget is used up: the thousandth turn
costs what the tenth does. Where they are cut is a matter of their sizes alone, which are kept with them: the cut stays
where it is until the budget is passed, and then moves on by `STEP_BYTES`, so that in between the request's beginning is
the same, byte for byte, which is what a provider's cache asks for.

    0 ─────────────── cut ──────────────────────── now
      in the summary        told word for word: at most HISTORY_BYTES

While the summary of what is before a new cut is not there yet, the cut before it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.llm.tokens import CHARACTERS_PER_TOKEN
from assistant.mentor.actions.service import tell_model
from assistant.mentor.events import Message
from assistant.mentor.history import write_summary
from assistant.mentor.policies import HISTORY_KEPT_TOKENS, HISTORY_TOKENS

HISTORY_BYTES: Final = int(HISTORY_TOKENS * CHARACTERS_PER_TOKEN)
"""Of steps as they are stored, for what `HISTORY_TOKENS` says."""

STEP_BYTES: Final = int((HISTORY_TOKENS - HISTORY_KEPT_TOKENS) * CHARACTERS_PER_TOKEN)
"""By which a cut moves on, and what a summary takes in at a time."""

MOST_TURNS: Final = 1000
"""However short they are."""

# `offset 0`: each row is looked up by its key, whatever statistics promise of reading a person's rows at once.
_HISTORY: Final = """
with recursive self as (
    select r.id, r.user_id, r.space_id, r.thread_id, r.parent_id, r.history_size,
           greatest(0, ceil((r.history_size - %(budget)s)::numeric / %(step)s)::bigint) * %(step)s as cut
    from assistant.runs r where r.id = %(run)s
), branch (id, parent_id, history_size, depth, cut) as (
    select s.id, s.parent_id, s.history_size, 0, s.cut from self s
    union all
    select r.id, r.parent_id, r.history_size, b.depth + 1, b.cut
    from branch b cross join lateral (
        select r.id, r.parent_id, r.history_size from assistant.runs r where r.id = b.parent_id offset 0) r
    where r.history_size >= b.cut - %(step)s and b.depth < %(turns)s
), wanted as (
    select (select b.parent_id from branch b where b.history_size >= s.cut order by b.depth desc limit 1) as last_before
    from self s where s.cut > 0
), missing as (
    select exists (select from wanted w where w.last_before is not null and not exists (
        select from assistant.thread_summaries t where t.run_id = w.last_before offset 0)) as it_is
), told as (
    select case when m.it_is then s.cut - %(step)s else s.cut end as cut from self s, missing m
), summary as (
    select x.summary, x.tainted
    from (select (select b.parent_id from branch b where b.history_size >= t.cut order by b.depth desc limit 1)
          from told t where t.cut > 0) before (run_id)
    cross join lateral (
        select t.summary, t.tainted from assistant.thread_summaries t where t.run_id = before.run_id offset 0) x
)
select 'about', jsonb_build_object(
           'size', s.history_size, 'missing', m.it_is,
           'titled', exists (select from assistant.threads t
                             where (t.user_id, t.space_id, t.thread_id) = (s.user_id, s.space_id, s.thread_id)
                               and coalesce(t.title, t.made_title) is not null),
           'summary', (select jsonb_build_object('text', x.summary, 'tainted', x.tainted) from summary x)), null, null
from self s, missing m
union all
select p.role, p.blocks, b.depth, p.n
from told t join branch b on b.depth > 0 and b.history_size >= t.cut
cross join lateral (select p.role, p.blocks, p.n from assistant.run_steps p where p.run_id = b.id offset 0) p
union all
select 'action', to_jsonb(array[a.call_id, assistant.action_status(a), coalesce(a.result, 'null')::text]), b.depth,
       1000000
from told t join branch b on b.depth > 0 and b.history_size >= t.cut
cross join lateral (
    select a.* from assistant.mentor_actions a where a.run_id = b.id and a.reason is not null offset 0) a
order by 3 desc nulls first, 4
"""
# What became of calls that had to be approved is a step like others, behind those of the run that made them. Where a
# later run has told the model of it, those results come again, and are the same.


@dataclass(frozen=True, slots=True)
class History:
    """What a run is told of the turns before it."""

    messages: Sequence[Message]
    size: int
    """Bytes of all earlier turns of the branch."""
    titled: bool
    summary_missing: bool
    """One that should stand for turns which are cut by now."""

    def wants_tending(self, own_bytes: int) -> bool:
        """Whether the thread lacks a title, or a summary that the next turn can use; `own_bytes`: of this turn."""
        return not self.titled or self.summary_missing or cut_at(self.size + own_bytes) > cut_at(self.size)


def cut_at(size: int) -> int:
    """Before how many bytes nothing is told word for word, where all turns together have `size`."""
    return max(0, -((HISTORY_BYTES - size) // STEP_BYTES)) * STEP_BYTES


async def read_history(database: Database, principal: Principal, run_id: UUID) -> History:
    """What the caller's run is to know."""
    values = {"run": run_id, "budget": HISTORY_BYTES, "step": STEP_BYTES, "turns": MOST_TURNS}
    rows = await database.fetch(principal, _HISTORY, values)
    if not rows:  # the thread was deleted, or the space is out of reach by now: the run is about to end
        return History([], 0, titled=True, summary_missing=False)
    about = rows[0][1]
    summary = about["summary"]
    messages = [write_summary(summary["text"], tainted=summary["tainted"])] if summary else []
    messages += [_message(role, blocks) for role, blocks, _, _ in rows[1:]]
    return History(messages, about["size"], titled=about["titled"], summary_missing=about["missing"])


def _message(role: str, blocks: list[Any]) -> Message:
    if role != "action":
        return {"role": role, "content": blocks}
    call_id, status, result = blocks
    told = tell_model(status, msgspec.json.decode(result))
    block = {"type": "tool_result", "tool_use_id": call_id, "content": told.content}
    return {"role": "user", "content": [block | {"is_error": True} if told.is_error else block]}
