"""Is the service there, and can it be given work: for load balancers and for people who look after it."""

import asyncio
from time import monotonic
from typing import Final

import structlog
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.response import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from assistant.db import migrate
from assistant.db.engine import create_engine
from assistant.db.errors import as_known_error
from assistant.db.identity import Role, acting_as, service
from assistant.errors import AssistantError, UnavailableError
from assistant.http import Outgoing
from assistant.telemetry import Metrics

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 1.4
"""A database that takes longer to answer this is none to send learners to."""

REUSE_SECONDS: Final = 1.0
"""However often somebody asks, the database is asked at most so often."""

_ROLES: Final[tuple[Role, ...]] = ("service_role",)

_STATE: Final = text("""
    select (select version_num from migrations.alembic_version) as revision,
        (select count(*) = 2 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'partitions'
           and c.relname in ('chat_messages' || next.month, 'usage_logs' || next.month)) as has_partitions
    from (select to_char(now() at time zone 'UTC' + interval '1 month', '_YYYY_MM') as month) next
""")


class Health(Outgoing):
    """`checks` holds what was looked at, and whether it is well."""

    status: str
    checks: dict[str, bool]


class Readiness:
    """Looks at the database over a connection of its own: that all others are busy is no reason to send nobody here."""

    def __init__(self, jobs_url: str, *, prepares: bool = True) -> None:
        self._engine = create_engine(
            jobs_url, roles=_ROLES, pool_size=1, application="health", patience=CHECK_SECONDS, prepares=prepares
        )
        self._lock = asyncio.Lock()
        self._checks: dict[str, bool] = {}
        self._checked_at: float | None = None
        self.draining = False
        """Set when the process is about to end: it takes no new work."""

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def check(self) -> Health:
        """Raises UnavailableError, with the same `checks`, where something is not well."""
        async with self._lock:
            if self._checked_at is None or monotonic() - self._checked_at > REUSE_SECONDS:
                self._checks, self._checked_at = await self._look(), monotonic()
        checks = {"accepting": not self.draining, **self._checks}
        if not all(checks.values()):
            error = UnavailableError("The service is not ready.", code="not_ready")
            error.extra["checks"] = checks
            raise error
        return Health(status="ready", checks=checks)

    async def _look(self) -> dict[str, bool]:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                with acting_as(service("maintain")), as_known_error():
                    async with self._engine.begin() as connection:
                        state = (await connection.execute(_STATE)).one()
        except (AssistantError, TimeoutError) as exc:
            log.warning("not_ready", error=type(exc).__name__)
            return {"database": False, "migrations": False, "partitions": False}
        # A newer schema is that of an upgrade under way, which this version gets along with until it is replaced.
        is_new_enough = (state.revision or "") >= migrate.head()
        return {"database": True, "migrations": is_new_enough, "partitions": state.has_partitions}


class HealthController(Controller):
    tags = ("health",)

    @get("/health/live", operation_id="GetLive")
    async def live(self) -> Health:
        """The process answers. Asks nobody else."""
        return Health(status="live", checks={})

    @get("/health/ready", operation_id="GetReady")
    async def ready(self, readiness: NamedDependency[Readiness]) -> Health:
        """The database answers, has a schema of this version or newer, and next month's partitions. 503 otherwise."""
        return await readiness.check()

    @get("/metrics", operation_id="GetMetrics", media_type="text/plain")
    async def metrics(self, metrics: NamedDependency[Metrics]) -> Response[bytes]:
        """Figures in the format of Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
