"""Spaces, modules, tasks and progress over HTTP. What is in a public space may be read without signing in."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.errors import InvalidError
from assistant.http import signed_in, to_schema, visible
from assistant.pagination import Page, Paginator
from assistant.spaces import progress, service, tasks
from assistant.spaces.models import Module, Space, Task
from assistant.spaces.repository import Relation
from assistant.spaces.schemas import (
    ModuleChange,
    ModuleCreate,
    ModuleItem,
    ModuleRead,
    ProgressRead,
    ProgressSet,
    SpaceChange,
    SpaceCreate,
    SpaceRead,
    SpaceSummary,
    TaskChange,
    TaskCreate,
    TaskRead,
    TaskStatus,
)

MODULE_BODY_BYTES: Final = 9 * 1024 * 1024
"""Two million characters of content, and the rest."""

BY_ORDER: Final = (("order_index", int), ("id", UUID))

sees_space = visible(Space, "space_id", service.SPACE)
sees_module = visible(Module, "module_id", service.MODULE)
sees_task = visible(Task, "task_id", tasks.NOUN)


class SpaceController(Controller):
    path = "/api/spaces"
    tags = ("spaces",)

    @get("/", operation_id="ListSpaces", guards=[signed_in])
    async def list_spaces(
        self,
        me: NamedDependency[UUID],
        db_session: NamedDependency[AsyncSession],
        paginator: NamedDependency[Paginator],
        relation: FromQuery[Relation] = "member",
        goal_id: FromQuery[UUID | None] = None,
    ) -> Page[SpaceRead]:
        """Spaces that the caller owns or has joined, the newest first. `owner`: owned only; `public`: anybody's."""
        scope = ("spaces", relation, goal_id)
        rows = await service.list_spaces(
            db_session,
            me,
            limit=paginator.limit + 1,
            relation=relation,
            goal_id=goal_id,
            after=paginator.after(*scope),
        )
        return paginator.page([to_schema(row, SpaceRead) for row in rows], *scope)

    @post("/", operation_id="CreateSpace", guards=[signed_in])
    async def create_space(
        self, data: JSONBody[SpaceCreate], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> SpaceRead:
        """Open a space for one of the caller's goals. 409 `title_taken` where the goal has one of that title."""
        return to_schema(await service.open_space(db_session, me, data.changes()), SpaceRead)

    @get("/{space_id:uuid}", operation_id="GetSpace")
    async def get_space(self, space_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> SpaceRead:
        """One space."""
        return to_schema(await service.get_space(db_session, space_id), SpaceRead)

    @patch("/{space_id:uuid}", operation_id="UpdateSpace", guards=[signed_in, sees_space])
    async def update_space(
        self, space_id: FromPath[UUID], data: JSONBody[SpaceChange], db_session: NamedDependency[AsyncSession]
    ) -> SpaceRead:
        """Change what is sent, leave the rest. For the owner and admins; `visibility` for the owner alone."""
        return to_schema(await service.update_space(db_session, space_id, data.changes()), SpaceRead)

    @delete("/{space_id:uuid}", operation_id="DeleteSpace", guards=[signed_in])
    async def delete_space(self, space_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> None:
        """Delete a space with all that is in it. For the owner."""
        await service.delete_space(db_session, space_id)

    @get("/{space_id:uuid}/summary", operation_id="GetSpaceSummary", guards=[signed_in])
    async def get_summary(self, space_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> SpaceSummary:
        """Figures of this moment. For members: they show how far the owner is."""
        return to_schema(await service.summarise_space(db_session, space_id), SpaceSummary)

    @get("/{space_id:uuid}/modules", operation_id="ListModules", tags=["modules"])
    async def list_modules(
        self,
        space_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        paginator: NamedDependency[Paginator],
    ) -> Page[ModuleItem]:
        """A space's modules in their order, without their content."""
        after = paginator.after("modules", space_id, order=BY_ORDER)
        rows = await service.list_modules(db_session, space_id, limit=paginator.limit + 1, after=after)
        return paginator.page([to_schema(row, ModuleItem) for row in rows], "modules", space_id, order=BY_ORDER)

    @post(
        "/{space_id:uuid}/modules",
        operation_id="CreateModule",
        guards=[signed_in, sees_space],
        request_max_body_size=MODULE_BODY_BYTES,
        tags=["modules"],
    )
    async def create_module(
        self, space_id: FromPath[UUID], data: JSONBody[ModuleCreate], db_session: NamedDependency[AsyncSession]
    ) -> ModuleRead:
        """Add a module. For the owner, admins and editors."""
        return to_schema(await service.add_module(db_session, space_id, data.changes()), ModuleRead)

    @get("/{space_id:uuid}/tasks", operation_id="ListTasks", tags=["tasks"])
    async def list_tasks(
        self,
        space_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        paginator: NamedDependency[Paginator],
        status: FromQuery[TaskStatus | None] = None,
        module_id: FromQuery[UUID | None] = None,
        due_before: Annotated[
            datetime | None, QueryParameter(description="Due, and earlier than this moment (with its offset).")
        ] = None,
    ) -> Page[TaskRead]:
        """A space's tasks, the oldest first."""
        if due_before is not None and due_before.tzinfo is None:
            raise InvalidError("A moment needs its offset from UTC, such as Z.", path="due_before")
        scope = ("tasks", space_id, status, module_id, due_before)
        rows = await tasks.list_tasks(
            db_session,
            space_id,
            limit=paginator.limit + 1,
            status=status,
            module_id=module_id,
            due_before=due_before,
            after=paginator.after(*scope),
        )
        return paginator.page([to_schema(row, TaskRead) for row in rows], *scope)

    @post("/{space_id:uuid}/tasks", operation_id="CreateTask", guards=[signed_in, sees_space], tags=["tasks"])
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
        return to_schema(await service.get_module(db_session, module_id), ModuleRead)

    @patch(
        "/",
        operation_id="UpdateModule",
        guards=[signed_in, sees_module],
        request_max_body_size=MODULE_BODY_BYTES,
    )
    async def update_module(
        self, module_id: FromPath[UUID], data: JSONBody[ModuleChange], db_session: NamedDependency[AsyncSession]
    ) -> ModuleRead:
        """Change what is sent, leave the rest. For the owner, admins and editors."""
        return to_schema(await service.update_module(db_session, module_id, data.changes()), ModuleRead)

    @delete("/", operation_id="DeleteModule", guards=[signed_in])
    async def delete_module(self, module_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> None:
        """Delete a module. Its tasks stay in the space."""
        await service.delete_module(db_session, module_id)

    @get("/progress", operation_id="GetProgress", guards=[signed_in])
    async def get_progress(
        self, module_id: FromPath[UUID], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> ProgressRead:
        """How far the caller is with this module."""
        found = await progress.get_progress(db_session, module_id, me)
        return ProgressRead(module_id, me) if found is None else to_schema(found, ProgressRead)

    @put("/progress", operation_id="SetProgress", guards=[signed_in, sees_module])
    async def set_progress(
        self,
        module_id: FromPath[UUID],
        data: JSONBody[ProgressSet],
        me: NamedDependency[UUID],
        db_session: NamedDependency[AsyncSession],
    ) -> ProgressRead:
        """Say how far the caller is: 100 completes the module, less opens it again."""
        row = await progress.update_module_progress(db_session, module_id, me, data.completion_percentage)
        return to_schema(row, ProgressRead)


class TaskController(Controller):
    path = "/api/tasks/{task_id:uuid}"
    tags = ("tasks",)

    @get("/", operation_id="GetTask")
    async def get_task(self, task_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> TaskRead:
        """One task."""
        return to_schema(await tasks.get_task(db_session, task_id), TaskRead)

    @patch("/", operation_id="UpdateTask", guards=[signed_in, sees_task])
    async def update_task(
        self, task_id: FromPath[UUID], data: JSONBody[TaskChange], db_session: NamedDependency[AsyncSession]
    ) -> TaskRead:
        """Change what is sent, leave the rest. For the owner, admins and editors."""
        return to_schema(await tasks.update_task(db_session, task_id, data.changes()), TaskRead)

    @delete("/", operation_id="DeleteTask", guards=[signed_in])
    async def delete_task(self, task_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> None:
        """Delete a task. For the owner, admins and editors."""
        await tasks.delete_task(db_session, task_id)
