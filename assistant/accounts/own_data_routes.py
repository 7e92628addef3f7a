"""What a person may do with all of their data over HTTP: take it along, and take it away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Request, delete, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.response import Stream
from msgspec import Meta

from assistant.accounts.admission import UserAdmission
from assistant.accounts.departure import delete_person
from assistant.accounts.own_data import export_person
from assistant.accounts.service import AccountService
from assistant.body import read_json, strictly
from assistant.db.session import Database
from assistant.errors import ForbiddenError
from assistant.http import Incoming, signed_in
from assistant.identity import VerifiedToken, in_person
from assistant.limits import Limits

FRESH: Final = timedelta(minutes=10)
"""So old may a token be that is enough, for people who have no password here."""


class AccountDeletion(Incoming):
    password: Annotated[str, Meta(max_length=200)] | None = None


@dataclass
class DeletionBody(Operation):
    """Says that there may be a body: a DELETE has none otherwise."""

    def __post_init__(self) -> None:
        password = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], max_length=200)
        schema = Schema(type=OpenAPIType.OBJECT, properties={"password": password}, additional_properties=False)
        self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=False)


class OwnDataController(Controller):
    path = "/api/me"
    tags = ("me",)

    @get("/export", operation_id="ExportMe", guards=[signed_in], media_type="application/json")
    async def export(
        self,
        me: NamedDependency[UUID],
        accounts: NamedDependency[AccountService],
        database: NamedDependency[Database],
    ) -> Stream:
        """All that is stored of the caller, as one JSON document: `tables` holds the rows of each, without secrets and
        without what is made from others (vectors, counts). Its last member, `complete`, says that nothing is missing.
        """
        accounts.admit_export(me)
        headers = {"content-disposition": 'attachment; filename="goalspace.json"'}
        return Stream(export_person(database, me), media_type="application/json", headers=headers)

    @delete("/", operation_id="DeleteMe", operation_class=DeletionBody, guards=[in_person])
    async def delete(
        self,
        request: Request[Any, VerifiedToken, State],
        me: NamedDependency[UUID],
        database: NamedDependency[Database],
        accounts: NamedDependency[AccountService],
        admission: NamedDependency[UserAdmission],
        limits: NamedDependency[Limits],
    ) -> None:
        """Delete the caller's account with their goals, spaces, posts, comments and conversations, for good.

        Who has a password here sends it: `{"password": "…"}`; else 403 `wrong_password`. Who signs in elsewhere has to
        have done so within ten minutes; else 403 `sign_in_again`.
        """
        body = await request.body()
        sent = strictly(read_json(body), AccountDeletion) if body else AccountDeletion()
        await limits.count_attempt(request.scope, str(me))
        await _confirm(accounts, me, sent.password, request.auth)
        await delete_person(database, me)
        admission.forget(me)


async def _confirm(accounts: AccountService, me: UUID, password: str | None, token: VerifiedToken) -> None:
    """That it is the person who asks, and not somebody at their desk. Raises ForbiddenError."""
    is_right = await accounts.confirm(me, password or "")
    if is_right is False:
        raise ForbiddenError("Send your password to delete your account.", code="wrong_password")
    if is_right is None and (token.issued_at is None or datetime.now(UTC) - token.issued_at > FRESH):
        raise ForbiddenError("Sign in again to delete your account: this sign-in is too old.", code="sign_in_again")
