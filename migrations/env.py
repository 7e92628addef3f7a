"""How revisions run: one at a time per database, never waiting long for a lock that the service holds."""

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from assistant.db.migrate import LOCK, LOCK_TIMEOUT, VERSION_SCHEMA
from assistant.db.roles import DEFINER, LENT_SCHEMAS
from assistant.db.tables import metadata


def is_comparable(index: str | None) -> bool:
    """Expressions with an operator class are more than the comparison can read."""
    return not (index or "").startswith("idx_document_embeddings_vector")


def include_name(name: str | None, kind: str, parents: object) -> bool:
    return kind != "index" or is_comparable(name)


def include_object(item: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """What the comparison of models and database leaves out: what no model describes on purpose."""
    if kind == "index" and not is_comparable(name):
        return False
    schema = getattr(item, "schema", None)
    return kind != "table" or (schema in (None, "public", "assistant") and name != "spatial_ref_sys")


def lend(connection: Connection, *, take_back: bool) -> None:
    """See LENT_SCHEMAS."""
    for schema in LENT_SCHEMAS:
        if connection.scalar(text(f"select to_regnamespace('{schema}')")) is not None:
            verb = "revoke create on schema {} from" if take_back else "grant create on schema {} to"
            connection.execute(text(f"{verb.format(schema)} {DEFINER}"))
    connection.commit()


def run(connection: Connection) -> None:
    connection.execute(text("select pg_advisory_lock(hashtext(:lock))"), {"lock": LOCK})
    connection.execute(text(f"create schema if not exists {VERSION_SCHEMA}"))
    connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text("set statement_timeout = '15min'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=VERSION_SCHEMA,
        transaction_per_migration=True,
        include_schemas=True,
        include_name=include_name,
        include_object=include_object,
        autogenerate_plugins=["alembic.autogenerate.*", "~alembic.autogenerate.comments"],  # revisions hold comments
    )
    lend(connection, take_back=False)
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        lend(connection, take_back=True)


engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
try:
    with engine.connect() as opened:
        run(opened.execution_options(no_parameters=True))  # a revision's SQL has percent signs of its own
finally:
    engine.dispose()
