"""The order of a space's modules, set as a whole."""

from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.errors import ConflictError, ForbiddenError, InvalidError
from assistant.http import Incoming, Outgoing, signed_in, visible
from assistant.spaces.models import Module, Space
from assistant.spaces.service import SPACE

MAX_MODULES: Final = 1_000

# Locked by their ids, whatever order is wanted: two who sort at once wait for each other and do not stop each other.
_LOCK: Final = text("select m.id from public.modules m where m.space_id = :space order by m.id for update")

# A statement of its own, which sees what the one before waited for.
_SORT: Final = text("""
update public.modules m set order_index = w.n - 1
from unnest(cast(:ids as uuid[])) with ordinality w(id, n)
where m.id = w.id and m.space_id = :space and m.order_index is distinct from w.n - 1
""")


class ModuleOrder(Incoming):
    module_ids: Annotated[list[UUID], Meta(max_length=MAX_MODULES)]


class ModuleOrderRead(Outgoing):
    """The modules in their order now."""

    module_ids: list[UUID]


class ModuleOrderController(Controller):
    path = "/api/spaces/{space_id:uuid}/modules/order"
    tags = ("modules",)

    @put("/", operation_id="SetModuleOrder", guards=[signed_in, visible(Space, "space_id", SPACE)])
    async def set_order(
        self, space_id: FromPath[UUID], data: JSONBody[ModuleOrder], db_session: NamedDependency[AsyncSession]
    ) -> ModuleOrderRead:
        """Put all modules of the space into this order. For the owner, admins and editors.

        409 `modules_changed` where they are not all there, or one of them is not: read the list again.
        """
        await reorder_modules(db_session, space_id, data.module_ids)
        return ModuleOrderRead(data.module_ids)


async def reorder_modules(session: AsyncSession, space_id: UUID, module_ids: list[UUID]) -> None:
    """`order_index` becomes 0, 1, 2 … Raises InvalidError, ForbiddenError, ConflictError."""
    if len(set(module_ids)) != len(module_ids):
        raise InvalidError("A module is named twice.", path="module_ids")
    locked = set((await session.scalars(_LOCK, {"space": space_id})).all())
    if not locked and await session.scalar(select(func.count()).where(Module.space_id == space_id)):
        raise ForbiddenError("You may see these modules, but not change them.")
    if locked != set(module_ids):
        raise ConflictError(
            "These are not all modules of the space, or not only those: read the list again.", code="modules_changed"
        )
    await session.execute(_SORT, {"ids": module_ids, "space": space_id})
