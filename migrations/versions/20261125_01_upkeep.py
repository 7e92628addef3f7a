"""What keeps the tables in shape: partitions, summaries, subscriptions, settings of busy tables."""

from alembic import op

revision = "20261125_01"
down_revision = "20261124_07"
branch_labels = None
depends_on = None

# Functions that only the owner of the tables can do the work of. A table's name that they are given is one of a closed
# list, everything else is a number or a date.
PARTITIONS = """
create function private.check_month(parent text, month date) returns void
language plpgsql set search_path = '' as $$
begin
    if parent not in ('chat_messages', 'usage_logs') or month <> date_trunc('month', month)::date
       or month not between date '1970-01-01' and date '2199-12-01' then
        raise exception 'no month of a partitioned table' using errcode = '22023';
    end if;
end $$;

create function assistant.stray_months() returns table (parent text, month date, row_count bigint)
language sql stable security definer set search_path = '' as $$
    select s.parent, s.month, count(*)
    from (select 'chat_messages', date_trunc('month', created_at at time zone 'UTC')::date
          from partitions.chat_messages_default
          union all
          select 'usage_logs', date_trunc('month', created_at at time zone 'UTC')::date
          from partitions.usage_logs_default) s (parent, month)
    group by 1, 2 order by 1, 2
$$;
comment on function assistant.stray_months() is 'what the default partitions hold, which should be nothing';

create function assistant.prepare_month(parent text, month date) returns void
language plpgsql security definer set search_path = '' as $$
begin
    perform private.check_month(parent, month);
    perform pg_advisory_xact_lock(hashtext('goalspace.partitions'));
    if not private.has_partition(parent, month) then
        perform private.prepare_partition(parent, month);
    end if;
end $$;
comment on function assistant.prepare_month(text, date) is
    'a table for a month that the default partition holds rows of; committed by itself, since it locks what its foreign '
    'keys refer to';

create function assistant.move_month(parent text, month date) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
    moved bigint;
begin
    perform private.check_month(parent, month);
    if not pg_try_advisory_xact_lock(hashtext('goalspace.partitions')) or private.has_partition(parent, month) then
        return 0;
    end if;
    -- While most of the rows are moved others may read and write, the default partition too; what they wrote meanwhile
    -- moves under the lock that attaching takes anyway.
    moved := private.move_strays(parent, month);
    moved := moved + private.attach_partition(parent, month);
    return moved;
end $$;
comment on function assistant.move_month(text, date) is
    'moves a month''s rows out of the default partition into their own, prepared before; how many. All of it is seen at '
    'once. 0: somebody else is at it, or was';

create function assistant.detach_months(parent text, months_kept integer, today date) returns setof text
language plpgsql security definer set search_path = '' as $$
declare
    name text;
begin
    perform private.check_month(parent, date_trunc('month', today)::date);
    perform pg_advisory_xact_lock(hashtext('goalspace.partitions'));
    for name in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = ('public.' || quote_ident(parent))::regclass and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
          and to_date(right(c.relname, 7), 'YYYY_MM') < date_trunc('month', today) - make_interval(months => greatest(months_kept, 1))
        order by 1
    loop
        execute format('alter table public.%I detach partition partitions.%I', parent, name);
        return next name;
    end loop;
end $$;
comment on function assistant.detach_months(text, integer, date) is
    'takes the months before the last months_kept full ones out of the table; they stay as tables that no client can '
    'reach, and can be attached again';

create function assistant.drop_detached_months(parent text, months_kept integer, today date) returns setof text
language plpgsql security definer set search_path = '' as $$
declare
    name text;
begin
    perform private.check_month(parent, date_trunc('month', today)::date);
    perform pg_advisory_xact_lock(hashtext('goalspace.partitions'));
    for name in
        select c.relname from pg_class c
        where c.relnamespace = 'partitions'::regnamespace and c.relkind = 'r' and not c.relispartition
          and c.relname ~ ('^' || parent || '_[0-9]{4}_[0-9]{2}$')
          and to_date(right(c.relname, 7), 'YYYY_MM') < date_trunc('month', today) - make_interval(months => greatest(months_kept, 1))
        order by 1
    loop
        execute format('drop table partitions.%I', name);
        return next name;
    end loop;
end $$;
comment on function assistant.drop_detached_months(text, integer, date) is 'deletes what detach_months took out, for good';

grant execute on function assistant.stray_months(), assistant.prepare_month(text, date),
    assistant.move_month(text, date), assistant.detach_months(text, integer, date),
    assistant.drop_detached_months(text, integer, date) to service_role;
"""

UPKEEP = """
create table assistant.upkeep (
    step text primary key check (length(step) between 1 and 100),
    finished_at timestamptz not null default now(),
    seconds double precision not null,
    outcome text not null default ''
);
comment on table assistant.upkeep is 'when each step of the upkeep was last done, how long it took, and what came of it';
alter table assistant.upkeep enable row level security;
alter table assistant.upkeep force row level security;
grant select, insert, update, delete on assistant.upkeep to service_role;
"""

# A mark for each statement, and not one flag: a flag that is set already tells whoever finds it nothing about a refresh
# that began before their own commit, and whoever sets it first would make all others wait for theirs.
SUMMARIES = """
create table assistant.summary_changes (
    id bigint generated always as identity primary key,
    changed_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
comment on table assistant.summary_changes is 'a row for each statement whose effect space_summaries does not show yet';
alter table assistant.summary_changes enable row level security;
alter table assistant.summary_changes force row level security;
grant select, insert, delete on assistant.summary_changes to service_role;
grant insert on assistant.summary_changes to goalspace_definer;

create function private.note_summary_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into assistant.summary_changes default values;
    return null;
end $$;
alter function private.note_summary_change() owner to goalspace_definer;

create trigger note_summary_change after insert or delete or update of title, goal_id, user_id on public.spaces
    for each statement execute function private.note_summary_change();
create trigger note_summary_change after insert or delete or update of space_id on public.modules
    for each statement execute function private.note_summary_change();
create trigger note_summary_change after insert or delete or update of space_id, status on public.tasks
    for each statement execute function private.note_summary_change();
create trigger note_summary_change after insert or delete or update of module_id, user_id, completion_percentage
    on public.module_progress
    for each statement execute function private.note_summary_change();

create function assistant.refresh_stale_summaries(pause interval default '30 seconds') returns double precision
language plpgsql security definer set search_path = '' as $$
declare
    oldest timestamptz := (select min(c.changed_at) from assistant.summary_changes c);
    began timestamptz := clock_timestamp();
begin
    if oldest is null then
        return 0;
    end if;
    if not pg_try_advisory_xact_lock(hashtext('goalspace.space_summaries'))
       or pause > interval '0' and exists (select from assistant.upkeep u where u.step = 'space_summaries'
                  and u.finished_at + greatest(pause, 10 * u.seconds * interval '1 second') > began) then
        return extract(epoch from began - oldest);
    end if;
    -- First the marks, then the refresh, which sees at least what they stand for.
    delete from assistant.summary_changes;
    perform assistant.refresh_space_summaries();
    insert into assistant.upkeep (step, finished_at, seconds)
    values ('space_summaries', clock_timestamp(), extract(epoch from clock_timestamp() - began))
    on conflict (step) do update set finished_at = excluded.finished_at, seconds = excluded.seconds;
    return 0;
end $$;
comment on function assistant.refresh_stale_summaries(interval) is
    'brings space_summaries up to date where something has changed: one caller at a time, not before pause (or ten times '
    'what the last one took) is over, unless that is nothing. For how many seconds the view has been behind when it is done';
grant execute on function assistant.refresh_stale_summaries(interval) to service_role;
"""

BILLING = """
alter table public.subscriptions add column event_at timestamptz;
comment on column public.subscriptions.event_at is 'additive: when the payment provider said what stands here';
create unique index subscriptions_payment_key on public.subscriptions (payment_provider, payment_reference)
    where payment_reference is not null;
create index idx_subscriptions_ends_at on public.subscriptions (ends_at) where status = 'active';

create table assistant.billing_events (
    id text primary key check (length(id) between 1 and 200),
    received_at timestamptz not null default now()
);
comment on table assistant.billing_events is 'events of the payment provider that have been taken in: each counts once';
alter table assistant.billing_events enable row level security;
alter table assistant.billing_events force row level security;
grant select, insert, delete on assistant.billing_events to service_role;
"""

FOLDING = """
alter table assistant.runs add column folded_at timestamptz;
comment on column assistant.runs.folded_at is 'since when its events are gone, and its replay is made from the message';
create index idx_runs_unfolded on assistant.runs (finished_at) where folded_at is null and finished_at is not null;
"""

STATISTICS = """
create function assistant.refresh_statistics(area text) returns void
language plpgsql security definer set search_path = '' as $$
begin
    case area
        when 'knowledge' then
            analyze public.documents, public.document_embeddings, assistant.postings, assistant.document_indexing;
        when 'conversations' then
            analyze public.chat_messages, public.usage_logs;
        when 'learning' then
            analyze public.users, public.goals, public.spaces, public.modules, public.tasks, public.module_progress,
                public.space_collaborators, public.comments;
    end case;
end $$;
comment on function assistant.refresh_statistics(text) is
    'ANALYZE after many rows came at once. "conversations": the server looks after each partition, but never after the '
    'whole that they make up';
grant execute on function assistant.refresh_statistics(text) to service_role;
"""

# Rows that are updated again and again find room beside themselves (fillfactor), and the dead ones are cleared away
# while they are few (scale factor): the default waits for a fifth of the table.
BUSY = """
alter table public.users set (fillfactor = 90);
alter table public.module_progress set (fillfactor = 85);
alter table assistant.runs set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
alter table assistant.run_events set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1);
alter table assistant.document_indexing set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
alter table jobs.procrastinate_jobs set (fillfactor = 70);
alter table jobs.procrastinate_events set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
"""

DOWN = """
alter table jobs.procrastinate_events reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
alter table jobs.procrastinate_jobs reset (fillfactor);
alter table assistant.document_indexing reset (fillfactor, autovacuum_vacuum_scale_factor);
alter table assistant.run_events reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
alter table assistant.runs reset (fillfactor, autovacuum_vacuum_scale_factor);
alter table public.module_progress reset (fillfactor);
alter table public.users reset (fillfactor);

drop function assistant.refresh_statistics(text);

drop index assistant.idx_runs_unfolded;
alter table assistant.runs drop column folded_at;

drop table assistant.billing_events;
drop index public.idx_subscriptions_ends_at, public.subscriptions_payment_key;
alter table public.subscriptions drop column event_at;

drop function assistant.refresh_stale_summaries(interval);
drop trigger note_summary_change on public.module_progress;
drop trigger note_summary_change on public.tasks;
drop trigger note_summary_change on public.modules;
drop trigger note_summary_change on public.spaces;
drop function private.note_summary_change();
drop table assistant.summary_changes;
drop table assistant.upkeep;

drop function assistant.drop_detached_months(text, integer, date), assistant.detach_months(text, integer, date),
    assistant.move_month(text, date), assistant.prepare_month(text, date), assistant.stray_months(),
    private.check_month(text, date);
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (PARTITIONS, UPKEEP, SUMMARIES, BILLING, FOLDING, STATISTICS, BUSY):
        run(part)


def downgrade() -> None:
    """What is folded stays so: an older version replays such a run without its events."""
    op.get_bind().exec_driver_sql(DOWN)
