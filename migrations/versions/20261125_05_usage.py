"""Plans: what is reserved and used, so that no race overspends."""

from alembic import op

revision = "20261125_05"
down_revision = "20261125_04"
branch_labels = None
depends_on = None

TABLES = """
create table assistant.plans (
    tier text primary key check (tier in ('free', 'basic', 'pro', 'enterprise')),
    messages bigint check (messages >= 0),
    tokens bigint check (tokens >= 0),
    documents bigint check (documents >= 0),
    storage bigint check (storage >= 0),
    turns bigint check (turns >= 0)
);
comment on table assistant.plans is
    'what each tier may use, as the file of plans says: written when a service starts. Null, or no row: any number';
alter table assistant.plans enable row level security;
alter table assistant.plans force row level security;
grant select, insert, update, delete on assistant.plans to service_role;
grant select on assistant.plans to goalspace_definer;

create table assistant.usage_counters (
    user_id uuid not null references public.users(id) on delete cascade,
    period date not null check (extract(day from period) = 1),
    messages bigint not null default 0 check (messages >= 0),
    messages_reserved bigint not null default 0 check (messages_reserved >= 0),
    tokens bigint not null default 0 check (tokens >= 0),
    tokens_reserved bigint not null default 0 check (tokens_reserved >= 0),
    primary key (user_id, period)
) with (fillfactor = 50);
comment on table assistant.usage_counters is
    'what somebody has used in a month (UTC) and what is set aside for work under way; it decides, usage_logs tells people';
create index idx_usage_counters_period on assistant.usage_counters (period);
alter table assistant.usage_counters enable row level security;
alter table assistant.usage_counters force row level security;
create policy usage_counters_select on assistant.usage_counters for select to authenticated
    using (user_id = (select auth.uid()));
grant select on assistant.usage_counters to authenticated;
grant select, insert, update, delete on assistant.usage_counters to service_role, goalspace_definer;

create table assistant.holdings (
    user_id uuid not null references public.users(id) on delete cascade,
    resource text not null check (resource in ('documents', 'storage', 'turns')),
    amount bigint not null check (amount >= 0),
    primary key (user_id, resource)
) with (fillfactor = 50);
comment on table assistant.holdings is
    'what somebody has at the moment: documents and their bytes in the spaces that they own, and turns under way';
alter table assistant.holdings enable row level security;
alter table assistant.holdings force row level security;
create policy holdings_select on assistant.holdings for select to authenticated
    using (user_id = (select auth.uid()));
grant select on assistant.holdings to authenticated;
grant select, insert, update, delete on assistant.holdings to service_role, goalspace_definer;

create table assistant.space_holdings (
    space_id uuid primary key references public.spaces(id) on delete cascade,
    user_id uuid not null,
    documents bigint not null default 0,
    storage bigint not null default 0
) with (fillfactor = 50);
comment on table assistant.space_holdings is 'the part of a space in what its owner has; it goes with the space';
alter table assistant.space_holdings enable row level security;
alter table assistant.space_holdings force row level security;
grant select on assistant.space_holdings to service_role;
grant select, insert, update, delete on assistant.space_holdings to goalspace_definer;

create table assistant.reservations (
    id uuid primary key,
    user_id uuid not null references public.users(id) on delete cascade,
    period date not null,
    messages bigint not null default 0,
    tokens bigint not null default 0,
    usd numeric not null default 0,
    known jsonb not null default '[]' check (jsonb_typeof(known) = 'array'),
    call jsonb,
    expires_at timestamptz
);
comment on column assistant.reservations.id is 'the run that it is for, or an id of its own';
comment on column assistant.reservations.known is 'entries of calls that have ended, not in usage_logs yet';
comment on column assistant.reservations.call is 'the entry of the call under way, as far as it is known beforehand';
comment on column assistant.reservations.expires_at is 'null while its run is there, which settles it';
create index idx_reservations_user_id on assistant.reservations (user_id);
create index idx_reservations_expires_at on assistant.reservations (expires_at) where expires_at is not null;
alter table assistant.reservations enable row level security;
alter table assistant.reservations force row level security;
grant select, insert, update, delete on assistant.reservations to service_role, goalspace_definer;

create table assistant.installation_stop (
    single boolean primary key default true check (single),
    tokens bigint check (tokens >= 0),
    usd numeric check (usd >= 0),
    stopped_at timestamptz
);
comment on table assistant.installation_stop is
    'what everybody together may use in a month; once it would be passed nothing is granted until a person lifts the stop';
alter table assistant.installation_stop enable row level security;
alter table assistant.installation_stop force row level security;
grant select, insert, update, delete on assistant.installation_stop to service_role;
grant select on assistant.installation_stop to goalspace_definer;

create table assistant.installation_usage (
    period date primary key,
    tokens bigint not null default 0,
    tokens_reserved bigint not null default 0,
    usd numeric not null default 0,
    usd_reserved numeric not null default 0
) with (fillfactor = 50);
comment on table assistant.installation_usage is 'of everybody together, counted while there is a stop';
alter table assistant.installation_usage enable row level security;
alter table assistant.installation_usage force row level security;
grant select, insert, update, delete on assistant.installation_usage to service_role, goalspace_definer;

comment on column public.usage_logs.tokens_used is
    'what it takes of a plan: nothing for models that cost nobody anything, null where nobody knows';
alter table public.usage_logs add column period date;
comment on column public.usage_logs.period is
    'additive: first day of the month that it counts in, where that need not be the one of created_at';

grant select on public.subscriptions, public.usage_logs to goalspace_definer;
"""

# Who takes several locks takes them in this order: run, reservation, turns, counter, installation. Each is held to the
# end of a short transaction.
GRANTING = """
create function private.month_of(moment timestamptz) returns date
language sql immutable set search_path = '' as $$ select date_trunc('month', moment at time zone 'UTC')::date $$;

create function private.tier_of(person uuid) returns text
language sql stable set search_path = '' as $$
    select coalesce((select s.tier from public.subscriptions s
                     where s.user_id = person and s.status = 'active' and s.starts_at <= now()
                       and (s.ends_at is null or s.ends_at > now())), 'free')
$$;

create function private.refuse_usage(resource text, used bigint, reserved bigint, allowed bigint, tier text, month date)
returns void language plpgsql set search_path = '' as $$
begin
    raise exception 'quota exceeded' using errcode = 'QU001', detail = jsonb_build_object(
        'resource', resource, 'used', used, 'reserved', reserved, 'limit', allowed, 'tier', tier,
        'renews_at', case when month is not null then (month + interval '1 month')::timestamp at time zone 'UTC' end)::text;
end $$;
comment on function private.refuse_usage(text, bigint, bigint, bigint, text, date) is
    'ends the transaction: nothing of it is stored';

create function private.change_holding(person uuid, what text, delta bigint, allowed bigint, tier text) returns void
language plpgsql set search_path = '' as $$
declare
    held bigint;
begin
    if delta <= 0 then
        update assistant.holdings h set amount = greatest(h.amount + delta, 0)
        where h.user_id = person and h.resource = what;
        return;
    end if;
    insert into assistant.holdings as h (user_id, resource, amount)
    select person, what, delta where allowed is null or delta <= allowed
    on conflict (user_id, resource) do update set amount = h.amount + delta
        where allowed is null or h.amount + delta <= allowed;
    if not found then
        select h.amount into held from assistant.holdings h where h.user_id = person and h.resource = what;
        perform private.refuse_usage(what, coalesce(held, 0), 0, allowed, tier, null);
    end if;
end $$;

create function private.grant_usage(person uuid, month date, more_messages bigint, more_tokens bigint, more_usd numeric)
returns void language plpgsql set search_path = '' as $$
declare
    of_tier text := private.tier_of(person);
    plan assistant.plans;
    c assistant.usage_counters;
begin
    select * into plan from assistant.plans p where p.tier = of_tier;
    insert into assistant.usage_counters (user_id, period) values (person, month) on conflict do nothing;
    update assistant.usage_counters u
    set messages_reserved = u.messages_reserved + more_messages, tokens_reserved = u.tokens_reserved + more_tokens
    where u.user_id = person and u.period = month
      and (plan.messages is null or more_messages <= 0
           or u.messages + u.messages_reserved + more_messages <= plan.messages)
      and (plan.tokens is null or more_tokens <= 0 or u.tokens + u.tokens_reserved + more_tokens <= plan.tokens);
    if not found then
        select * into c from assistant.usage_counters u where u.user_id = person and u.period = month;
        if plan.messages is not null and more_messages > 0
           and c.messages + c.messages_reserved + more_messages > plan.messages then
            perform private.refuse_usage('messages', c.messages, c.messages_reserved, plan.messages, of_tier, month);
        end if;
        perform private.refuse_usage('tokens', c.tokens, c.tokens_reserved, plan.tokens, of_tier, month);
    end if;
    perform private.grant_of_installation(month, more_tokens, more_usd);
end $$;
comment on function private.grant_usage(uuid, date, bigint, bigint, numeric) is
    'sets more aside for somebody, or refuses: one conditional update, so that those who meet there spend it once';

create function private.grant_of_installation(month date, more_tokens bigint, more_usd numeric) returns void
language plpgsql set search_path = '' as $$
declare
    stop assistant.installation_stop;
    i assistant.installation_usage;
begin
    select * into stop from assistant.installation_stop;
    if stop.single is null or more_tokens <= 0 and more_usd <= 0 then
        return;
    end if;
    if stop.stopped_at is null then
        insert into assistant.installation_usage (period) values (month) on conflict do nothing;
        update assistant.installation_usage u
        set tokens_reserved = u.tokens_reserved + more_tokens, usd_reserved = u.usd_reserved + more_usd
        where u.period = month
          and (stop.tokens is null or u.tokens + u.tokens_reserved + more_tokens <= stop.tokens)
          and (stop.usd is null or u.usd + u.usd_reserved + more_usd <= stop.usd);
        if found then
            return;
        end if;
    end if;
    perform private.refuse_usage('installation', 0, 0, 0, '', null);
end $$;

create function private.release_usage(
    person uuid, month date, less_messages bigint, less_tokens bigint, less_usd numeric)
returns void language plpgsql set search_path = '' as $$
begin
    update assistant.usage_counters u
    set messages_reserved = greatest(u.messages_reserved - less_messages, 0),
        tokens_reserved = greatest(u.tokens_reserved - less_tokens, 0)
    where u.user_id = person and u.period = month;
    update assistant.installation_usage u
    set tokens_reserved = greatest(u.tokens_reserved - less_tokens, 0), usd_reserved = greatest(u.usd_reserved - less_usd, 0)
    where u.period = month;
end $$;

create function private.count_usage() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into assistant.usage_counters as c (user_id, period, messages, tokens)
    select n.user_id, coalesce(n.period, private.month_of(n.created_at)), count(*) filter (where n.action = 'turn'),
           coalesce(sum(n.tokens_used), 0)
    from new_rows n group by 1, 2 order by 1, 2
    on conflict (user_id, period) do update
    set messages = c.messages + excluded.messages, tokens = c.tokens + excluded.tokens;
    if exists (select from assistant.installation_stop) then
        insert into assistant.installation_usage as i (period, tokens, usd)
        select coalesce(n.period, private.month_of(n.created_at)), coalesce(sum(n.tokens_used), 0),
               coalesce(sum((n.details ->> 'cost_usd')::numeric), 0)
        from new_rows n group by 1 order by 1
        on conflict (period) do update set tokens = i.tokens + excluded.tokens, usd = i.usd + excluded.usd;
    end if;
    return null;
end $$;
comment on function private.count_usage() is 'what is logged is spent, by whichever door it came, in one transaction';
alter function private.count_usage() owner to goalspace_definer;
create trigger count_usage after insert on public.usage_logs
    referencing new table as new_rows for each statement execute function private.count_usage();

grant execute on function private.month_of(timestamptz), private.tier_of(uuid),
    private.refuse_usage(text, bigint, bigint, bigint, text, date),
    private.change_holding(uuid, text, bigint, bigint, text),
    private.grant_usage(uuid, date, bigint, bigint, numeric), private.grant_of_installation(date, bigint, numeric),
    private.release_usage(uuid, date, bigint, bigint, numeric) to goalspace_definer;
grant execute on function private.month_of(timestamptz), private.tier_of(uuid)
    to service_role;
"""

# A first call of a model: instructions and tools, a few passages, an answer at full length. What it really takes is
# known only when the context is there, and asked for then.
FIRST_TOKENS = 16_000

RUNS = f"""
create function private.reserve_for_run() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    month constant date := private.month_of(new.created_at);
    of_tier constant text := private.tier_of(new.user_id);
    -- The answer to a proposal is no question, and is taken whatever is left: what the model then says is asked for.
    first_tokens constant bigint :=
        case when new.provider = 'offline' or new.resumes is not null then 0 else {FIRST_TOKENS} end;
    message constant bigint := case when new.resumes is null then 1 else 0 end;
begin
    perform private.change_holding(new.user_id, 'turns', 1,
        (select p.turns from assistant.plans p where p.tier = of_tier and new.resumes is null), of_tier);
    perform private.grant_usage(new.user_id, month, message, first_tokens, 0);
    insert into assistant.reservations (id, user_id, period, messages, tokens)
    values (new.id, new.user_id, month, message, first_tokens);
    return null;
end $$;
comment on function private.reserve_for_run() is 'a run is there if its first call is paid for, however it was begun';
alter function private.reserve_for_run() owner to goalspace_definer;

create function private.settle_run() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    r assistant.reservations;
begin
    delete from assistant.reservations o where o.id = new.id returning * into r;
    if found then
        perform private.change_holding(r.user_id, 'turns', -1, null, '');
        perform private.release_usage(r.user_id, r.period, r.messages, r.tokens, r.usd);
    end if;
    return null;
end $$;
comment on function private.settle_run() is
    'what was set aside is free again in the transaction that logs what was used, once for each run';
alter function private.settle_run() owner to goalspace_definer;

create function private.orphan_reservation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update assistant.reservations r set expires_at = now() where r.id = old.id;
    if found then
        perform private.change_holding(old.user_id, 'turns', -1, null, '');
    end if;
    return null;
end $$;
comment on function private.orphan_reservation() is 'a run that went with its space has used what it has used';
alter function private.orphan_reservation() owner to goalspace_definer;

-- After the row, and not before: by then a run of the same thread has been waited for, which needs the counter to end.
create trigger reserve_for_new_run after insert on assistant.runs
    for each row when (new.status = 'running') execute function private.reserve_for_run();
create trigger settle_run after update of status on assistant.runs
    for each row when (old.status = 'running' and new.status <> 'running') execute function private.settle_run();
create trigger orphan_reservation after delete on assistant.runs
    for each row when (old.status = 'running') execute function private.orphan_reservation();

create function assistant.extend_reservation(
    run uuid, of_epoch integer, up_to bigint, up_to_usd numeric, known_so_far jsonb, next_call jsonb
) returns boolean language plpgsql security definer set search_path = '' as $$
declare
    r assistant.reservations;
begin
    perform from assistant.runs o where o.id = run and o.epoch = of_epoch and o.status = 'running' for no key update;
    if not found then
        return false;
    end if;
    select * into strict r from assistant.reservations o where o.id = run for update;
    perform private.grant_usage(r.user_id, r.period, 0, greatest(up_to - r.tokens, 0), greatest(up_to_usd - r.usd, 0));
    update assistant.reservations o
    set tokens = greatest(up_to, r.tokens), usd = greatest(up_to_usd, r.usd), known = known_so_far, call = next_call
    where o.id = run;
    return true;
end $$;
comment on function assistant.extend_reservation(uuid, integer, bigint, numeric, jsonb, jsonb) is
    'sets up to so much aside for a run, all its calls together; false: it is not this process''s any more';
alter function assistant.extend_reservation(uuid, integer, bigint, numeric, jsonb, jsonb) owner to goalspace_definer;
"""

OTHER_WORK = """
create function assistant.reserve_usage(
    reservation uuid, person uuid, more_tokens bigint, more_usd numeric, next_call jsonb, keep interval
) returns void language plpgsql security definer set search_path = '' as $$
declare
    month constant date := private.month_of(now());
begin
    if exists (select from assistant.reservations r where r.id = reservation) then
        return;  -- sent twice, since nobody knew whether the first was committed
    end if;
    perform private.grant_usage(person, month, 0, more_tokens, more_usd);
    insert into assistant.reservations (id, user_id, period, tokens, usd, call, expires_at)
    values (reservation, person, month, more_tokens, more_usd, next_call, now() + keep);
end $$;
comment on function assistant.reserve_usage(uuid, uuid, bigint, numeric, jsonb, interval) is
    'sets something aside for work that is no run; after `keep` it counts as used, as far as it is known';

create function assistant.settle_usage(reservation uuid, entries jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
    r assistant.reservations;
begin
    delete from assistant.reservations o where o.id = reservation and o.expires_at is not null returning * into r;
    if not found then
        return false;
    end if;
    perform private.release_usage(r.user_id, r.period, r.messages, r.tokens, r.usd);
    perform private.log_usage(r.user_id, r.period, entries);
    return true;
end $$;
comment on function assistant.settle_usage(uuid, jsonb) is
    'logs what was used in the place of what was set aside; false: somebody has settled it before';

create function assistant.settle_expired() returns bigint
language plpgsql security definer set search_path = '' as $$
declare
    r assistant.reservations;
    settled bigint := 0;
begin
    for r in delete from assistant.reservations o
             where o.id in (select e.id from assistant.reservations e where e.expires_at < now() for update skip locked)
             returning * loop
        perform private.release_usage(r.user_id, r.period, r.messages, r.tokens, r.usd);
        perform private.log_usage(r.user_id, r.period, r.known || coalesce(r.call, '[]'::jsonb));
        settled := settled + 1;
    end loop;
    return settled;
end $$;
comment on function assistant.settle_expired() is
    'settles what nobody has, since a process or a space is gone: with what is known of it';

create function private.log_usage(person uuid, month date, entries jsonb) returns void
language sql set search_path = '' as $$
    insert into public.usage_logs (user_id, resource_type, resource_id, action, tokens_used, details, period)
    select person, e.resource_type, e.resource_id, e.action, e.tokens_used, e.details, month
    from jsonb_to_recordset(entries) as e (
        resource_type text, resource_id uuid, action text, tokens_used integer, details jsonb)
$$;
grant insert on public.usage_logs to goalspace_definer;
grant execute on function private.log_usage(uuid, date, jsonb) to goalspace_definer;

alter function assistant.reserve_usage(uuid, uuid, bigint, numeric, jsonb, interval) owner to goalspace_definer;
alter function assistant.settle_usage(uuid, jsonb) owner to goalspace_definer;
alter function assistant.settle_expired() owner to goalspace_definer;
grant execute on function assistant.extend_reservation(uuid, integer, bigint, numeric, jsonb, jsonb),
    assistant.reserve_usage(uuid, uuid, bigint, numeric, jsonb, interval), assistant.settle_usage(uuid, jsonb),
    assistant.settle_expired() to service_role;
"""

# Documents count for who owns their space, who also decides who may add some. What a person adds is checked against
# that owner's plan, by whichever door; what the service or an import writes is counted.
DOCUMENTS = """
create function private.move_space_holding() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op <> 'INSERT' then
        perform private.change_holding(old.user_id, 'documents', -old.documents, null, ''),
                private.change_holding(old.user_id, 'storage', -old.storage, null, '');
    end if;
    if tg_op <> 'DELETE' then
        perform private.change_holding(new.user_id, 'documents', new.documents, null, ''),
                private.change_holding(new.user_id, 'storage', new.storage, null, '');
    end if;
    return null;
end $$;
alter function private.move_space_holding() owner to goalspace_definer;
create trigger move_space_holding after insert or update or delete on assistant.space_holdings
    for each row execute function private.move_space_holding();

create function private.change_space_holding(space uuid, more_documents bigint, more_bytes bigint, checked boolean)
returns void language plpgsql set search_path = '' as $$
declare
    person uuid := (select s.user_id from public.spaces s where s.id = space);
    of_tier text;
    plan assistant.plans;
    have bigint;
begin
    if person is null or more_documents = 0 and more_bytes = 0 then
        return;  -- a space that goes takes its part with it
    end if;
    insert into assistant.space_holdings as h (space_id, user_id, documents, storage)
    values (space, person, more_documents, more_bytes)
    on conflict (space_id) do update
    set documents = h.documents + more_documents, storage = h.storage + more_bytes;
    if not checked then
        return;
    end if;
    -- The counts were changed by now, so that whoever else adds something waits for this transaction to end.
    of_tier := private.tier_of(person);
    select * into plan from assistant.plans p where p.tier = of_tier;
    select h.amount into have from assistant.holdings h where h.user_id = person and h.resource = 'documents';
    if more_documents > 0 and have > plan.documents then
        perform private.refuse_usage('documents', have - more_documents, 0, plan.documents, of_tier, null);
    end if;
    select h.amount into have from assistant.holdings h where h.user_id = person and h.resource = 'storage';
    if more_bytes > 0 and have > plan.storage then
        perform private.refuse_usage('storage', have - more_bytes, 0, plan.storage, of_tier, null);
    end if;
end $$;
grant execute on function private.change_space_holding(uuid, bigint, bigint, boolean) to goalspace_definer;

create function private.hold_new_documents() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.change_space_holding(n.space_id, n.documents, n.bytes, tg_argv[0] = 'checked')
    from (select space_id, count(*) as documents, sum(octet_length(content)) as bytes
          from new_rows group by 1 order by 1) n;
    return null;
end $$;
create function private.hold_changed_documents() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.change_space_holding(c.space_id, c.documents, c.bytes, tg_argv[0] = 'checked')
    from (select space_id, sum(one)::bigint as documents, sum(one * octet_length(content)) as bytes
          from (select space_id, content, 1 as one from new_rows
                union all select space_id, content, -1 from old_rows) both_ways
          group by 1 order by 1) c;
    return null;
end $$;
create function private.release_documents() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.change_space_holding(o.space_id, -o.documents, -o.bytes, false)
    from (select space_id, count(*) as documents, sum(octet_length(content)) as bytes
          from old_rows group by 1 order by 1) o;
    return null;
end $$;
alter function private.hold_new_documents() owner to goalspace_definer;
alter function private.hold_changed_documents() owner to goalspace_definer;
alter function private.release_documents() owner to goalspace_definer;

insert into assistant.space_holdings (space_id, user_id, documents, storage)
select s.id, s.user_id, count(*), sum(octet_length(d.content))
from public.documents d join public.spaces s on s.id = d.space_id group by 1, 2;

create trigger hold_new_documents after insert on public.documents
    referencing new table as new_rows for each statement
    when (current_user = 'authenticated') execute function private.hold_new_documents('checked');
create trigger count_new_documents after insert on public.documents
    referencing new table as new_rows for each statement
    when (current_user <> 'authenticated') execute function private.hold_new_documents('counted');
create trigger hold_changed_documents after update on public.documents
    referencing old table as old_rows new table as new_rows for each statement
    when (current_user = 'authenticated') execute function private.hold_changed_documents('checked');
create trigger count_changed_documents after update on public.documents
    referencing old table as old_rows new table as new_rows for each statement
    when (current_user <> 'authenticated') execute function private.hold_changed_documents('counted');
create trigger release_documents after delete on public.documents
    referencing old table as old_rows for each statement execute function private.release_documents();

create function private.hand_over_holding() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update assistant.space_holdings h set user_id = new.user_id where h.space_id = new.id;
    return null;
end $$;
alter function private.hand_over_holding() owner to goalspace_definer;
create trigger hand_over_holding after update of user_id on public.spaces
    for each row when (old.user_id is distinct from new.user_id) execute function private.hand_over_holding();

insert into assistant.usage_counters (user_id, period, tokens)
select user_id, private.month_of(now()), coalesce(sum(tokens_used), 0)
from public.usage_logs where created_at >= private.month_of(now())::timestamp at time zone 'UTC' group by 1;
"""

DOWN = """
drop trigger hand_over_holding on public.spaces;
drop trigger release_documents on public.documents;
drop trigger count_changed_documents on public.documents;
drop trigger hold_changed_documents on public.documents;
drop trigger count_new_documents on public.documents;
drop trigger hold_new_documents on public.documents;
drop trigger orphan_reservation on assistant.runs;
drop trigger settle_run on assistant.runs;
drop trigger reserve_for_new_run on assistant.runs;
drop trigger count_usage on public.usage_logs;
drop table assistant.space_holdings;
drop function assistant.extend_reservation(uuid, integer, bigint, numeric, jsonb, jsonb),
    assistant.reserve_usage(uuid, uuid, bigint, numeric, jsonb, interval), assistant.settle_usage(uuid, jsonb),
    assistant.settle_expired(), private.log_usage(uuid, date, jsonb),
    private.hand_over_holding(), private.release_documents(), private.hold_changed_documents(),
    private.hold_new_documents(), private.change_space_holding(uuid, bigint, bigint, boolean),
    private.move_space_holding(), private.orphan_reservation(), private.settle_run(), private.reserve_for_run(),
    private.count_usage(), private.release_usage(uuid, date, bigint, bigint, numeric),
    private.grant_usage(uuid, date, bigint, bigint, numeric), private.grant_of_installation(date, bigint, numeric),
    private.change_holding(uuid, text, bigint, bigint, text),
    private.refuse_usage(text, bigint, bigint, bigint, text, date), private.tier_of(uuid),
    private.month_of(timestamptz);
drop table assistant.installation_usage, assistant.installation_stop, assistant.reservations, assistant.holdings,
    assistant.usage_counters, assistant.plans;
alter table public.usage_logs drop column period;
comment on column public.usage_logs.tokens_used is null;
revoke insert, select on public.usage_logs from goalspace_definer;
revoke select on public.subscriptions from goalspace_definer;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (TABLES, GRANTING, RUNS, OTHER_WORK, DOCUMENTS):
        run(part)


def downgrade() -> None:
    """What was reserved for runs under way is given up with the tables."""
    op.get_bind().exec_driver_sql(DOWN)
