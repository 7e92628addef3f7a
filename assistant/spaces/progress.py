"""How far a person is with a module. Nobody sees another's; the database notes when it was and when it was done."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.spaces import repository
from assistant.spaces.models import ModuleProgress
from assistant.spaces.service import get_module


async def get_progress(session: AsyncSession, module_id: UUID, user_id: UUID) -> ModuleProgress | None:
    """None: not begun. Raises NotFoundError for a module that the person may not see."""
    await get_module(session, module_id)
    return await repository.get_progress(session, module_id, user_id)


async def hold_progress(session: AsyncSession, module_id: UUID, user_id: UUID) -> ModuleProgress | None:
    """As `get_progress`, and until the transaction ends nobody else changes it, nor begins where nothing is yet."""
    await get_module(session, module_id)
    if await repository.begin_progress(session, module_id, user_id):
        return None
    return await repository.lock_progress(session, module_id, user_id)


async def update_module_progress(
    session: AsyncSession, module_id: UUID, user_id: UUID, completion_percentage: int
) -> ModuleProgress:
    """`completion_percentage` is 0 to 100; 100 completes the module, less opens it again. Raises NotFoundError."""
    await get_module(session, module_id)
    return await repository.set_progress(session, module_id, user_id, completion_percentage)
