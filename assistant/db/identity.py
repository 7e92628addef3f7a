"""As whom a transaction runs. Set explicitly, for a block of code; never guessed, never inherited by accident."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from uuid import UUID

import msgspec

Role = Literal["anon", "authenticated", "service_role"]

ServiceJob = Literal[
    "accounts",
    "index_document",
    "limit_rate",
    "maintain",
    "resolve_user",
    "run_log",
    "send_notices",
    "settle_usage",
    "store_answer",
    "sweep",
    "tend_thread",
]
"""The closed list of what is written with the service's own right. Each checks the right of the user it serves."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody in the database: a role from the allow-list and, for a person, their id."""

    role: Role
    user_id: UUID | None = None
    job: ServiceJob | None = None

    @property
    def claims(self) -> str:
        """What `auth.uid()` reads, as JSON. Made here, never taken over from a token."""
        return _claims(self)


@lru_cache(10_000)
def _claims(principal: Principal) -> str:
    facts = {"sub": principal.user_id and str(principal.user_id), "role": principal.role, "job": principal.job}
    return msgspec.json.encode({key: value for key, value in facts.items() if value}).decode()


ANONYMOUS = Principal("anon")


def learner(user_id: UUID) -> Principal:
    """A signed-in person."""
    return Principal("authenticated", user_id)


def service(job: ServiceJob) -> Principal:
    """The service itself, for one named job."""
    return Principal("service_role", None, job)


class MissingIdentityError(RuntimeError):
    """A transaction was begun by nobody: a bug, stopped before the first statement."""


_current: ContextVar[Principal | None] = ContextVar("principal", default=None)


def current_principal() -> Principal | None:
    return _current.get()


@contextmanager
def acting_as(principal: Principal) -> Iterator[None]:
    """Transactions begun inside run as `principal`; those already open keep theirs."""
    token = _current.set(principal)
    try:
        yield
    finally:
        _current.reset(token)
