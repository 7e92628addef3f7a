"""Spaces, modules, tasks and progress over HTTP. What is in a public space may be read without signing in."""

from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.entity_tags import Preconditions
from assistant.http import signed_in, to_schema, visible
from assistant.idempotency import idempotent
from assistant.pagination import ORDER_DESCRIPTION, DueAfter, DueBefore, Page, Paginator, SearchText, read_moment
from assistant.spaces import progress, service, tasks
from assistant.spaces.lists import ALL_TASKS, MODULES, SPACES, TASKS
from assistant.spaces.models import Module, ModuleProgress, Space, Task
from assistant.spaces.schemas import (
    ModuleChange,
    ModuleCreate,
    ModuleItem,
    ModuleRead,
    Priority,
    ProgressRead,
    ProgressSet,
    Relation,
    SpaceChange,
    SpaceCreate,
    SpaceOrder,
    SpaceRead,
    SpaceSummary,
    TaskChange,
    TaskCreate,
    TaskOrder,
    TaskRead,
    TaskStatus,
    Visibility,
)

MODULE_BODY_BYTES: Final = 9 * 1024 * 1024
"""Two million characters of content, and the rest."""

sees_space = visible(Space, "space_id", service.SPACE)
sees_module = visible(Module, "module_id", service.MODULE)
sees_task = visible(Task, "task_id", tasks.NOUN)


class SpaceController(Controller):
    path = "/api/spaces"
    tags = ("spaces",)

    @get("/", operation_id="ListSpaces", guards=[signed_in])
    async def list_spaces(
        self,
        paginator: NamedDependency[Paginator],
        relation: FromQuery[Relation] = "member",
        goal_id: FromQuery[UUID | None] = None,
        visibility: FromQuery[Visibility | None] = None,
        q: SearchText = None,
        order: Annotated[SpaceOrder, QueryParameter(description=ORDER_DESCRIPTION)] = "-created",
    ) -> Page[SpaceRead]:
        """Spaces that the caller owns or has joined, the newest first. `owner`: owned only; `public`: anybody's."""
        return await paginator.read(
            SPACES, order, **{relation: paginator.me}, goal_id=goal_id, visibility=visibility, q=q
        )

    @post("/", operation_id="CreateSpace", guards=[signed_in])
    @idempotent
    async def create_space(
        self, data: JSONBody[SpaceCreate], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> SpaceRead:
        """Open a space for one of the caller's goals. 409 `title_taken` where the goal has one of that title."""
        return to_schema(await service.open_space(db_session, me, data.changes()), SpaceRead)

    @get("/{space_id:uuid}", operation_id="GetSpace")
    async def get_space(self, space_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> SpaceRead:
        """One space."""
        return await _read_space(db_session, space_id)

    @patch("/{space_id:uuid}", operation_id="UpdateSpace", guards=[signed_in, sees_space])
    async def update_space(
        self,
        space_id: FromPath[UUID],
        data: JSONBody[SpaceChange],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> SpaceRead:
        """Change what is sent, leave the rest. For the owner and admins; `visibility` for the owner alone."""
        await preconditions.hold(db_session, Space.id == space_id, lambda: _read_space(db_session, space_id))
        return to_schema(await service.update_space(db_session, space_id, data.changes()), SpaceRead)

    @delete("/{space_id:uuid}", operation_id="DeleteSpace", guards=[signed_in])
    async def delete_space(
        self,
        space_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Delete a space with all that is in it. For the owner."""
        await preconditions.hold(db_session, Space.id == space_id, lambda: _read_space(db_session, space_id))
        await service.delete_space(db_session, space_id)

    @get("/{space_id:uuid}/summary", operation_id="GetSpaceSummary", guards=[signed_in])
    async def get_summary(self, space_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> SpaceSummary:
        """Figures of this moment. For members: they show how far the owner is."""
        return to_schema(await service.summarise_space(db_session, space_id), SpaceSummary)

    @get("/{space_id:uuid}/modules", operation_id="ListModules", tags=["modules"])
    async def list_modules(
        self,
        space_id: FromPath[UUID],
        paginator: NamedDependency[Paginator],
        q: SearchText = None,
    ) -> Page[ModuleItem]:
        """A space's modules in their order, without their content."""
        return await paginator.read(MODULES, "place", space_id=space_id, q=q)

    @post(
        "/{space_id:uuid}/modules",
        operation_id="CreateModule",
        guards=[signed_in, sees_space],
        request_max_body_size=MODULE_BODY_BYTES,
        tags=["modules"],
    )
    @idempotent
    async def create_module(
        self, space_id: FromPath[UUID], data: JSONBody[ModuleCreate], db_session: NamedDependency[AsyncSession]
    ) -> ModuleRead:
        """Add a module. For the owner, admins and editors."""
        return to_schema(await service.add_module(db_session, space_id, data.changes()), ModuleRead)

    @get("/{space_id:uuid}/tasks", operation_id="ListTasks", tags=["tasks"])
    async def list_tasks(
        self,
        space_id: FromPath[UUID],
        paginator: NamedDependency[Paginator],
        status: FromQuery[TaskStatus | None] = None,
        priority: FromQuery[Priority | None] = None,
        module_id: FromQuery[UUID | None] = None,
        due_before: DueBefore = None,
        due_after: DueAfter = None,
        q: SearchText = None,
        order: Annotated[TaskOrder, QueryParameter(description=ORDER_DESCRIPTION)] = "created",
    ) -> Page[TaskRead]:
        """A space's tasks; unless `order` says otherwise, the oldest first."""
        before, since = read_moment("due_before", due_before), read_moment("due_after", due_after)
        return await paginator.read(
            TASKS,
            order,
            space_id=space_id,
            status=status,
            priority=priority,
            module_id=module_id,
            due_before=before,
            due_after=since,
            q=q,
        )

    @post("/{space_id:uuid}/tasks", operation_id="CreateTask", guards=[signed_in, sees_space], tags=["tasks"])
    @idempotent
    async def create_task(
        self, space_id: FromPath[UUID], data: JSONBody[TaskCreate], db_session: NamedDependency[AsyncSession]
    ) -> TaskRead:
        """Add a task. For the owner, admins and editors."""
        return to_schema(await tasks.create_task(db_session, space_id, **data.changes()), TaskRead)


class ModuleController(Controller):
    path = "/api/modules/{module_id:uuid}"
    tags = ("modules",)

    @get("/", operation_id="GetModule")
    async def get_module(self, module_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> ModuleRead:
        """One module, with its content."""
        return await _read_module(db_session, module_id)

    @patch(
        "/",
        operation_id="UpdateModule",
        guards=[signed_in, sees_module],
        request_max_body_size=MODULE_BODY_BYTES,
    )
    async def update_module(
        self,
        module_id: FromPath[UUID],
        data: JSONBody[ModuleChange],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> ModuleRead:
        """Change what is sent, leave the rest. For the owner, admins and editors."""
        await preconditions.hold(db_session, Module.id == module_id, lambda: _read_module(db_session, module_id))
        return to_schema(await service.update_module(db_session, module_id, data.changes()), ModuleRead)

    @delete("/", operation_id="DeleteModule", guards=[signed_in])
    async def delete_module(
        self,
        module_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Delete a module. Its tasks stay in the space."""
        await preconditions.hold(db_session, Module.id == module_id, lambda: _read_module(db_session, module_id))
        await service.delete_module(db_session, module_id)

    @get("/progress", operation_id="GetProgress", guards=[signed_in])
    async def get_progress(
        self, module_id: FromPath[UUID], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> ProgressRead:
        """How far the caller is with this module."""
        return _show_progress(await progress.get_progress(db_session, module_id, me), module_id, me)

    @put("/progress", operation_id="SetProgress", guards=[signed_in, sees_module])
    async def set_progress(
        self,
        module_id: FromPath[UUID],
        data: JSONBody[ProgressSet],
        me: NamedDependency[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> ProgressRead:
        """Say how far the caller is: 100 completes the module, less opens it again."""
        if preconditions.given:
            preconditions.check(_show_progress(await progress.hold_progress(db_session, module_id, me), module_id, me))
        row = await progress.update_module_progress(db_session, module_id, me, data.completion_percentage)
        return to_schema(row, ProgressRead)


class TaskController(Controller):
    path = "/api/tasks/{task_id:uuid}"
    tags = ("tasks",)

    @get("/", operation_id="GetTask")
    async def get_task(self, task_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> TaskRead:
        """One task."""
        return await _read_task(db_session, task_id)

    @patch("/", operation_id="UpdateTask", guards=[signed_in, sees_task])
    async def update_task(
        self,
        task_id: FromPath[UUID],
        data: JSONBody[TaskChange],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> TaskRead:
        """Change what is sent, leave the rest. For the owner, admins and editors."""
        await preconditions.hold(db_session, Task.id == task_id, lambda: _read_task(db_session, task_id))
        return to_schema(await tasks.update_task(db_session, task_id, data.changes()), TaskRead)

    @delete("/", operation_id="DeleteTask", guards=[signed_in])
    async def delete_task(
        self,
        task_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Delete a task. For the owner, admins and editors."""
        await preconditions.hold(db_session, Task.id == task_id, lambda: _read_task(db_session, task_id))
        await tasks.delete_task(db_session, task_id)


class AllTasksController(Controller):
    path = "/api/tasks"
    guards = (signed_in,)
    tags = ("tasks",)

    @get("/", operation_id="ListAllTasks")
    async def list_all_tasks(
        self,
        paginator: NamedDependency[Paginator],
        status: FromQuery[TaskStatus | None] = None,
        priority: FromQuery[Priority | None] = None,
        due_before: DueBefore = None,
        due_after: DueAfter = None,
        q: SearchText = None,
        order: Annotated[TaskOrder, QueryParameter(description=ORDER_DESCRIPTION)] = "due",
    ) -> Page[TaskRead]:
        """Tasks of all spaces that the caller owns or has joined; unless `order` says otherwise, what is due first."""
        before, since = read_moment("due_before", due_before), read_moment("due_after", due_after)
        return await paginator.read(
            ALL_TASKS,
            order,
            member=paginator.me,
            status=status,
            priority=priority,
            due_before=before,
            due_after=since,
            q=q,
        )


async def _read_space(session: AsyncSession, space_id: UUID) -> SpaceRead:
    return to_schema(await service.get_space(session, space_id), SpaceRead)


async def _read_module(session: AsyncSession, module_id: UUID) -> ModuleRead:
    return to_schema(await service.get_module(session, module_id), ModuleRead)


async def _read_task(session: AsyncSession, task_id: UUID) -> TaskRead:
    return to_schema(await tasks.get_task(session, task_id), TaskRead)


def _show_progress(found: ModuleProgress | None, module_id: UUID, user_id: UUID) -> ProgressRead:
    return ProgressRead(module_id, user_id) if found is None else to_schema(found, ProgressRead)
