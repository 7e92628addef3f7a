"""Procrastinate's tables in a schema of their own, which clients have no way into."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "20261124_05"
down_revision = "20261124_04"
branch_labels = None
depends_on = None

# Its functions name their tables without a schema: they find them whatever the caller's search path is, which lets a
# trigger of another schema enqueue a job in the transaction of the rows that cause it.
CLOSE = """
do $$
declare
    found record;
begin
    for found in select p.oid::regprocedure as signature from pg_proc p where p.pronamespace = 'jobs'::regnamespace loop
        execute format('alter function %s set search_path = jobs, pg_catalog', found.signature);
    end loop;
    for found in select c.oid::regclass as name from pg_class c
                 where c.relnamespace = 'jobs'::regnamespace and c.relkind = 'r' loop
        execute format('alter table %s enable row level security', found.name);
        execute format('alter table %s force row level security', found.name);
    end loop;
end $$;

revoke all on schema jobs from public;
revoke all on all tables in schema jobs from public, anon, authenticated;
revoke all on all functions in schema jobs from public, anon, authenticated;
grant usage on schema jobs to service_role, goalspace_definer;
grant select, insert, update, delete on all tables in schema jobs to service_role;
grant usage on all sequences in schema jobs to service_role, goalspace_definer;
grant execute on all functions in schema jobs to service_role;
grant select, insert, update on jobs.procrastinate_jobs to goalspace_definer;
grant insert on jobs.procrastinate_events to goalspace_definer;

-- Polled every few seconds and rewritten with each job: a small dead share already costs.
alter table jobs.procrastinate_jobs set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
"""


def upgrade() -> None:
    """The package is pinned to the release whose SQL this is; another release's changes are another revision."""
    run = op.get_bind().exec_driver_sql
    run("create schema jobs")
    run("set local search_path = jobs, pg_catalog")
    run(SchemaManager.get_schema())
    run("set local search_path to default")
    run(CLOSE)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop schema jobs cascade")
