"""Makes the sample learner, or finds what an earlier call has made; all of it by the services, as the learner."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts.repository import find_user_id
from assistant.accounts.service import AccountService
from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.goals import service as goals
from assistant.knowledge import service as knowledge
from assistant.sample.content import DOCUMENTS, EMAIL, GOAL, MENTOR, MODULES, NAME, SPACE, TASKS
from assistant.spaces import progress, tasks
from assistant.spaces import service as spaces
from assistant.spaces.repository import find_space


@dataclass(frozen=True, slots=True)
class Sample:
    user_id: UUID
    space_id: UUID

    @property
    def principal(self) -> Principal:
        return learner(self.user_id)


async def make_sample(database: Database, accounts: AccountService) -> Sample:
    """The sample learner with a goal, a space, modules, tasks and documents; the documents wait to be indexed."""
    async with database.service("accounts") as connection:
        user_id = await find_user_id(connection, EMAIL)
    if user_id is None:
        user_id = await accounts.sign_up(EMAIL, None, full_name=NAME)
    async with database.session(learner(user_id)) as session:
        goal = await goals.find_goal(session, GOAL)
        known = None if goal is None else await find_space(session, goal.id, SPACE)
        return Sample(user_id, await _fill(session, user_id) if known is None else known.id)


async def _fill(session: AsyncSession, user_id: UUID) -> UUID:
    goal = await goals.find_goal(session, GOAL) or await goals.open_goal(session, user_id, {"title": GOAL})
    values = {"goal_id": goal.id, "title": SPACE, "ai_mentor_config": MENTOR}
    space = await spaces.open_space(session, user_id, values)
    modules = {}
    for position, module in enumerate(MODULES):
        values = {"title": module.title, "content_type": "text", "order_index": position}
        added = await spaces.add_module(session, space.id, values | {"estimated_duration": module.minutes})
        modules[module.title] = added.id
        if module.progress:
            await progress.update_module_progress(session, added.id, user_id, module.progress)
    for task in TASKS:
        due = None if task.due_in_days is None else datetime.now(UTC) + timedelta(days=task.due_in_days)
        await tasks.create_task(
            session,
            space.id,
            title=task.title,
            module_id=modules.get(task.module or ""),
            due_date=due,
            priority=task.priority,
        )
    for path in sorted(DOCUMENTS.glob("*.md")):
        text = path.read_text("utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        await knowledge.add_document(session, space.id, title=title, content=text, content_type="markdown")
    return space.id


async def sample_states(database: Database, sample: Sample) -> list[tuple[str, str | None]]:
    """How far each document is on its way into search, and what went wrong."""
    async with database.session(sample.principal) as session:
        entries = await knowledge.list_documents(session, sample.space_id, limit=100)
        return [(entry.indexing.status, entry.indexing.error) for entry in entries]
