"""One row at a time, as the caller: what they may not see is not there, what they may only see stays as it is.

`noun` is what the row is called in a sentence for people. Refusals of the database come as `assistant.db.errors`.
"""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.base import Identified
from assistant.db.errors import as_known_error
from assistant.errors import ForbiddenError, NotFoundError

Row = TypeVar("Row", bound=Identified)


async def get_row(session: AsyncSession, model: type[Row], row_id: UUID, noun: str) -> Row:
    """Raises NotFoundError."""
    row = await session.scalar(select(model).where(model.id == row_id))
    if row is None:
        raise NotFoundError(f"There is no such {noun}.")
    return row


async def insert_row(session: AsyncSession, model: type[Row], values: dict[str, Any]) -> Row:
    """The stored row, with what the database filled in."""
    with as_known_error():
        return (await session.scalars(insert(model).values(**values).returning(model))).one()


async def update_row(session: AsyncSession, model: type[Row], row_id: UUID, changes: dict[str, Any], noun: str) -> Row:
    """The row as it is then; `changes` may be none. Raises NotFoundError, ForbiddenError."""
    if not changes:  # who may not change it is told so all the same
        row = await session.scalar(select(model).where(model.id == row_id).with_for_update(key_share=True))
        return row if row is not None else await _refuse(session, model, row_id, noun)
    statement = update(model).where(model.id == row_id).values(**changes).returning(model)
    with as_known_error():
        row = await session.scalar(statement, execution_options={"populate_existing": True})
    return row if row is not None else await _refuse(session, model, row_id, noun)


async def delete_row(session: AsyncSession, model: type[Row], row_id: UUID, noun: str) -> None:
    """Raises NotFoundError, ForbiddenError."""
    with as_known_error():
        gone = await session.scalar(delete(model).where(model.id == row_id).returning(model.id))
    if gone is None:
        await _refuse(session, model, row_id, noun)


async def _refuse(session: AsyncSession, model: type[Row], row_id: UUID, noun: str) -> Row:
    await get_row(session, model, row_id, noun)
    raise ForbiddenError(f"You may see this {noun}, but not change it.")
