"""Keys of programs over HTTP. For people only: no key makes, lists or deletes keys."""

from typing import Final, get_args
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts import keys
from assistant.accounts.schemas import KeyCreate, KeyMade, KeyRead
from assistant.http import to_schema
from assistant.idempotency import idempotent
from assistant.identity import KeyScope, in_person
from assistant.pagination import Page, Paginator

ALL_SCOPES: Final[tuple[KeyScope, ...]] = get_args(KeyScope)


class KeyController(Controller):
    path = "/api/keys"
    guards = (in_person,)
    tags = ("keys",)

    @get("/", operation_id="ListKeys")
    async def list_keys(
        self, db_session: NamedDependency[AsyncSession], paginator: NamedDependency[Paginator]
    ) -> Page[KeyRead]:
        """The caller's keys, the newest first, those included that have expired."""
        rows = await keys.list_keys(db_session, limit=paginator.limit + 1, after=paginator.after("keys"))
        return paginator.page([to_schema(row, KeyRead) for row in rows], "keys")

    @post("/", operation_id="CreateKey")
    @idempotent
    async def create_key(
        self, data: JSONBody[KeyCreate], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> KeyMade:
        """Make a key for a program, which acts as the caller. It is shown here and never again."""
        row, key = await keys.make_key(
            db_session, me, name=data.name, scopes=data.scopes or ALL_SCOPES, expires_at=data.expires_at
        )
        return KeyMade(**row._asdict(), key=key)

    @delete("/{key_id:uuid}", operation_id="DeleteKey")
    async def delete_key(self, key_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> None:
        """Take a key away: requests with it are refused from now on, and its websockets are closed."""
        await keys.delete_key(db_session, key_id)
