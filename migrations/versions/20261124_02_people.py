"""Users, subscriptions, preferences, usage, local accounts."""

from alembic import op

revision = "20261124_02"
down_revision = "20261124_01"
branch_labels = None
depends_on = None

USERS = """
create table public.users (
    id uuid primary key references auth.users on delete cascade,
    email text unique not null,
    full_name text,
    avatar_url text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    last_active_at timestamptz,
    constraint users_email_length check (length(email) between 3 and 320),
    constraint users_full_name_length check (length(full_name) <= 200),
    constraint users_avatar_url_length check (length(avatar_url) <= 2000)
);
create unique index users_email_lower_key on public.users (lower(email));
alter table public.users enable row level security;
alter table public.users force row level security;
create trigger touch_updated_at before update of email, full_name, avatar_url on public.users
    for each row execute function private.touch_updated_at();

create policy users_select on public.users for select to authenticated
    using (id = (select auth.uid()));
create policy users_update on public.users for update to authenticated
    using (id = (select auth.uid())) with check (id = (select auth.uid()));
grant select on public.users to authenticated;
grant update (full_name, avatar_url) on public.users to authenticated;
"""

SUBSCRIPTIONS = """
create table public.subscriptions (
    id uuid primary key default uuid_generate_v4(),
    user_id uuid not null references public.users(id) on delete cascade,
    tier text not null check (tier in ('free', 'basic', 'pro', 'enterprise')),
    status text not null check (status in ('active', 'canceled', 'past_due')),
    starts_at timestamptz not null,
    ends_at timestamptz,
    payment_provider text,
    payment_reference text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint subscriptions_period check (ends_at > starts_at)
);
create index idx_subscriptions_user_id on public.subscriptions (user_id);
create unique index subscriptions_one_active on public.subscriptions (user_id) where status = 'active';
alter table public.subscriptions enable row level security;
alter table public.subscriptions force row level security;
create trigger touch_updated_at before update on public.subscriptions
    for each row execute function private.touch_updated_at();
create policy subscriptions_select on public.subscriptions for select to authenticated
    using (user_id = (select auth.uid()));
grant select on public.subscriptions to authenticated;
"""

PREFERENCES = """
create table public.user_preferences (
    user_id uuid primary key references public.users(id) on delete cascade,
    theme text default 'system',
    language text default 'en',
    ai_model text default 'claude-3-haiku',
    notification_settings jsonb default '{"email": true, "push": true}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint user_preferences_lengths check (length(theme) <= 50 and length(language) <= 35 and length(ai_model) <= 200),
    constraint user_preferences_notification_settings check (
        jsonb_typeof(notification_settings) = 'object' and pg_column_size(notification_settings) <= 4096)
);
alter table public.user_preferences enable row level security;
alter table public.user_preferences force row level security;
create trigger touch_updated_at before update on public.user_preferences
    for each row execute function private.touch_updated_at();
create policy user_preferences_select on public.user_preferences for select to authenticated
    using (user_id = (select auth.uid()));
create policy user_preferences_insert on public.user_preferences for insert to authenticated
    with check (user_id = (select auth.uid()));
create policy user_preferences_update on public.user_preferences for update to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy user_preferences_delete on public.user_preferences for delete to authenticated
    using (user_id = (select auth.uid()));
grant select, delete on public.user_preferences to authenticated;
grant insert (user_id, theme, language, ai_model, notification_settings) on public.user_preferences to authenticated;
grant update (theme, language, ai_model, notification_settings) on public.user_preferences to authenticated;

grant insert on public.user_preferences to goalspace_definer;
create function private.give_preferences() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.user_preferences (user_id) values (new.id) on conflict do nothing;
    return null;
end $$;
alter function private.give_preferences() owner to goalspace_definer;
create trigger give_preferences after insert on public.users
    for each row execute function private.give_preferences();
"""

USAGE = """
create table public.usage_logs (
    id uuid not null default uuid_generate_v4(),
    user_id uuid not null references public.users(id) on delete cascade,
    resource_type text not null,
    resource_id uuid,
    action text not null,
    tokens_used integer check (tokens_used >= 0),
    created_at timestamptz not null default now(),
    details jsonb,
    primary key (id, created_at)
) partition by range (created_at);
comment on column public.usage_logs.details is 'additive: provider, model, input, output and cached tokens, run';
create index idx_usage_logs_user_id on public.usage_logs (user_id, created_at desc);
alter table public.usage_logs enable row level security;
alter table public.usage_logs force row level security;
create policy usage_logs_select on public.usage_logs for select to authenticated
    using (user_id = (select auth.uid()));
grant select on public.usage_logs to authenticated;
"""

PARTITIONS = """
create function private.partition_name(parent text, month date) returns text
language sql immutable set search_path = '' as $$ select parent || to_char(month, '_YYYY_MM') $$;

create function private.has_partition(parent text, month date) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                   where i.inhparent = ('public.' || quote_ident(parent))::regclass
                     and c.relname = private.partition_name(parent, month))
$$;

create function private.prepare_partition(parent text, month date) returns void
language plpgsql set search_path = '' as $$
declare
    name text := private.partition_name(parent, month);
    key record;
begin
    if to_regclass('partitions.' || quote_ident(name)) is null then
        execute format('create table partitions.%I (like public.%I including all)'
            -- rows come and stay: the visibility map and the statistics should follow them within the month
            ' with (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)', name, parent);
        execute format('alter table partitions.%I enable row level security', name);
        execute format('alter table partitions.%I force row level security', name);
        for key in select k.conname, pg_get_constraintdef(k.oid) as definition from pg_constraint k
                   where k.conrelid = ('public.' || quote_ident(parent))::regclass and k.contype = 'f' loop
            execute format('alter table partitions.%I add constraint %I %s', name, key.conname, key.definition);
        end loop;
    end if;
    execute format('alter table partitions.%I drop constraint if exists month_range', name);
    execute format('alter table partitions.%I add constraint month_range check (created_at >= %L and created_at < %L)',
        name, to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
        to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
end $$;
comment on function private.prepare_partition(text, date) is
    'a table for the month, closed to clients and not attached yet; its check saves attaching it a look at every row';

create function private.move_strays(parent text, month date) returns bigint
language plpgsql set search_path = '' as $$
declare
    moved bigint;
begin
    execute format('with strays as (delete from partitions.%I where created_at >= %L and created_at < %L returning *)'
        ' insert into partitions.%I select * from strays', parent || '_default',
        to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
        to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00', private.partition_name(parent, month));
    get diagnostics moved = row_count;
    return moved;
end $$;

create function private.attach_partition(parent text, month date) returns bigint
language plpgsql set search_path = '' as $$
declare
    name text := private.partition_name(parent, month);
    before text := current_setting('lock_timeout');
    moved bigint;
begin
    for tries_left in reverse 30 .. 0 loop
        begin
            -- Whoever comes while this waits for a lock waits behind it, so it waits for moments only.
            perform set_config('lock_timeout', '100ms', true);
            execute format('lock table partitions.%I in access exclusive mode', parent || '_default');
            moved := private.move_strays(parent, month);
            -- Unlike "create table … partition of" this lets others read and write the other months meanwhile.
            execute format('alter table public.%I attach partition partitions.%I for values from (%L) to (%L)', parent,
                name, to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
            execute format('alter table partitions.%I drop constraint month_range', name);
            perform set_config('lock_timeout', before, true);
            return moved;
        exception when lock_not_available then
            if tries_left = 0 then
                raise;
            end if;
            perform pg_sleep(0.1 + random() * 0.2);
        end;
    end loop;
end $$;
comment on function private.attach_partition(text, date) is
    'makes a prepared table the month''s; what the default partition holds of it moves along: how many rows';

create function private.has_strays(parent text, month date) returns boolean
language plpgsql stable set search_path = '' as $$
declare
    found boolean;
begin
    execute format('select exists (select from partitions.%I where created_at >= %L and created_at < %L)',
        parent || '_default', to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
        to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00') into found;
    return found;
end $$;
comment on function private.has_strays(text, date) is 'whether the default partition holds rows of the month';

create function private.make_default_partition(parent text) returns void
language plpgsql set search_path = '' as $$
begin
    execute format('create table partitions.%I partition of public.%I default', parent || '_default', parent);
    execute format('alter table partitions.%I enable row level security', parent || '_default');
    execute format('alter table partitions.%I force row level security', parent || '_default');
end $$;

create function assistant.ensure_partitions(months_ahead integer default 3, today date default null) returns integer
language plpgsql security definer set search_path = '' as $$
declare
    parent text;
    month date;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('goalspace.partitions'));
    for parent, month in
        select p.name, (date_trunc('month', coalesce(today, (now() at time zone 'UTC')::date))
                        + make_interval(months => ahead))::date
        from unnest(array['usage_logs', 'chat_messages']) as p(name),
             generate_series(0, least(greatest(months_ahead, 1), 24)) as ahead
        where to_regclass('public.' || p.name) is not null
        order by ahead
    loop
        if not private.has_partition(parent, month) and not private.has_strays(parent, month) then
            perform private.prepare_partition(parent, month);
            perform private.attach_partition(parent, month);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;
comment on function assistant.ensure_partitions(integer, date) is
    'this month and the next ones, but those of which the default partition holds rows; how many it made. The owner of '
    'the tables makes them, the service only asks';
grant execute on function assistant.ensure_partitions(integer, date) to service_role;

select private.make_default_partition('usage_logs');
select assistant.ensure_partitions();
"""

ACCOUNTS = """
create table assistant.local_accounts (
    user_id uuid primary key references public.users(id) on delete cascade,
    password_hash text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table assistant.local_accounts is 'argon2 hashes of local accounts; clients have no privilege here';
alter table assistant.local_accounts enable row level security;
alter table assistant.local_accounts force row level security;
create trigger touch_updated_at before update on assistant.local_accounts
    for each row execute function private.touch_updated_at();

grant select, insert, update, delete on
    public.users, public.subscriptions, public.user_preferences, public.usage_logs, assistant.local_accounts
    to service_role;
"""

DOWN = """
drop table assistant.local_accounts;
drop function assistant.ensure_partitions(integer, date);
drop table public.usage_logs, public.user_preferences, public.subscriptions, public.users;
drop function private.prepare_partition(text, date), private.attach_partition(text, date), private.move_strays(text, date),
    private.has_strays(text, date),
    private.has_partition(text, date), private.partition_name(text, date), private.make_default_partition(text),
    private.give_preferences();
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (USERS, SUBSCRIPTIONS, PREFERENCES, USAGE, PARTITIONS, ACCOUNTS):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
