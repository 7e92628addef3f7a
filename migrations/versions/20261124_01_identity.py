"""Schemas, the stand-in for `auth`, and the functions that say who is asking.

The roles themselves belong to the cluster and are made before any revision runs (assistant/db/roles.py).
"""

from alembic import op

revision = "20261124_01"
down_revision = None
branch_labels = None
depends_on = None

EXTENSIONS = """
do $$
begin
    create extension if not exists vector;
    if to_regprocedure('uuid_generate_v4()') is null then
        if exists (select 1 from pg_available_extensions where name = 'uuid-ossp') then
            create extension "uuid-ossp";
        else
            create function public.uuid_generate_v4() returns uuid
            language sql volatile parallel safe as 'select gen_random_uuid()';
            comment on function public.uuid_generate_v4() is 'stands in for uuid-ossp, which this server does not have';
        end if;
    end if;
end $$;
"""

AUTH_STAND_IN = """
do $do$
begin
    if to_regnamespace('auth') is not null then
        return;
    end if;
    create schema auth;
    comment on schema auth is 'stand-in of goalspace-assistant';
    create table auth.users (
        id uuid primary key default gen_random_uuid(),
        email text,
        created_at timestamptz not null default now()
    );
    alter table auth.users enable row level security;
    alter table auth.users force row level security;

    create function auth.uid() returns uuid language plpgsql stable set search_path = '' as $f$
    begin
        return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;
    exception when others then
        return null;  -- claims that are no JSON, or a sub that is no UUID: nobody
    end $f$;

    create function auth.role() returns text language sql stable set search_path = '' as
        $f$ select nullif(current_setting('role', true), 'none') $f$;

    grant usage on schema auth to anon, authenticated, service_role;
    grant execute on function auth.uid(), auth.role() to anon, authenticated, service_role;
    grant select, insert, update, delete on auth.users to service_role;
end $do$;
"""

SCHEMAS = """
create schema if not exists private;
create schema if not exists assistant;
create schema if not exists partitions;
revoke all on schema private, assistant, partitions from public;
grant usage on schema assistant to authenticated, service_role;
grant usage on schema public to anon, authenticated, service_role;
grant usage, create on schema public, private, assistant to goalspace_definer; -- see env.py for how long
grant usage on schema migrations to service_role;
grant select on migrations.alembic_version to service_role;

alter default privileges in schema public revoke all on tables from public, anon, authenticated;
alter default privileges in schema public revoke all on functions from public, anon, authenticated;
alter default privileges in schema public revoke all on sequences from public, anon, authenticated;
alter default privileges in schema assistant revoke all on tables from public, anon, authenticated;
alter default privileges in schema partitions revoke all on tables from public, anon, authenticated;
alter default privileges revoke execute on functions from public;

create function private.uid() returns uuid language plpgsql stable set search_path = '' as $$
begin
    return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;
exception when others then
    return null;
end $$;
comment on function private.uid() is
    'the caller, for definer functions: their owner need not be let into the schema auth';
grant execute on function private.uid() to goalspace_definer, service_role;

create function private.touch_updated_at() returns trigger language plpgsql set search_path = '' as $$
begin
    new.updated_at := now();
    return new;
end $$;
"""

DOWN = """
revoke all on schema migrations from service_role;
revoke all on migrations.alembic_version from service_role;
drop function private.touch_updated_at();
drop function private.uid();
alter default privileges grant execute on functions to public;
drop schema partitions;
drop schema assistant;
drop schema private;
do $$
begin
    if obj_description(to_regnamespace('auth'), 'pg_namespace') = 'stand-in of goalspace-assistant' then
        drop schema auth cascade;
    end if;
    if obj_description(to_regprocedure('public.uuid_generate_v4()'), 'pg_proc') like 'stands in for uuid-ossp%' then
        drop function public.uuid_generate_v4();
    end if;
end $$;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run(EXTENSIONS)
    run(AUTH_STAND_IN)
    run(SCHEMAS)


def downgrade() -> None:
    """Keeps extensions and roles: other databases and programs may use them."""
    op.get_bind().exec_driver_sql(DOWN)
