"""A connection that does not wait for ever: a server that is frozen, or a network that swallows, answers nothing."""

from contextlib import suppress
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg.errors import QueryCanceled

CLIENT_SECONDS: Final = 7.0
"""For statements of the service and of people: the server itself ends those of people after 5 s."""

JOB_SECONDS: Final = 65.0
"""For what background jobs do in one statement; there the server's bound is 60 s."""

CANCEL_SECONDS: Final = 0.5


def patient_for(seconds: float) -> type[psycopg.AsyncConnection[Any]]:
    """A class of connections on which each step may take `seconds`; after that they are closed.

    Then raises QueryCanceled, as the server would. Whether the step was done is not known.
    """

    class BoundedConnection(psycopg.AsyncConnection[Any]):
        async def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
            began = monotonic()
            try:
                return await super().wait(gen, *args, **{"timeout": seconds, **options})
            except psycopg.OperationalError as exc:
                if exc.sqlstate is not None or monotonic() - began < seconds:
                    raise
            with suppress(psycopg.Error):
                await self.cancel_safe(timeout=CANCEL_SECONDS)
            self.pgconn.finish()
            raise QueryCanceled("the server did not answer in time")

    return BoundedConnection
