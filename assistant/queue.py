"""The queue of jobs: Procrastinate as the service's role, in the schema `jobs`.

Jobs are enqueued by triggers, in the transaction of the rows that need them (migrations, private.enqueue_indexing).
"""

from procrastinate import App, PsycopgConnector
from sqlalchemy.engine import make_url

from assistant.db.setup import Server

CONNECTIONS = 3
"""For fetching and finishing jobs. Listening takes one more; what jobs do runs in the service's own pool."""

WAIT_SECONDS = 10.0


def build_queue(server: Server) -> App:
    """The queue, without tasks; it connects when it is opened.

    The jobs login, around a transaction pooler (a worker listens), as the service's role, in the queue's schema.
    """
    login = make_url(server.logins.jobs_url)
    address = make_url(server.direct_url).set(drivername="postgresql", username=login.username, password=login.password)
    return App(
        connector=PsycopgConnector(
            conninfo=address.render_as_string(hide_password=False),
            kwargs={"options": "-c role=service_role -c search_path=jobs", "application_name": "goalspace queue"},
            min_size=1,
            max_size=CONNECTIONS,
            timeout=WAIT_SECONDS,
        )
    )
