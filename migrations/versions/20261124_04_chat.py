"""Conversations: chat_messages, runs, their events and steps, citations, and the one statement that begins a turn."""

from alembic import op

revision = "20261124_04"
down_revision = "20261124_03"
branch_labels = None
depends_on = None

MESSAGES = """
create table public.chat_messages (
    id uuid not null default uuid_generate_v4(),
    space_id uuid not null references public.spaces(id) on delete cascade,
    user_id uuid not null references public.users(id) on delete cascade,
    is_from_user boolean not null default true,
    message text not null,
    metadata jsonb,
    created_at timestamptz not null default now(),
    thread_id text,
    run_id uuid,
    primary key (id, created_at),
    constraint chat_messages_thread_id_length check (length(thread_id) between 1 and 200),
    constraint chat_messages_message_length check (length(message) <= 1000000)
) partition by range (created_at);
comment on column public.chat_messages.thread_id is 'additive: the conversation, as the client names it';
comment on column public.chat_messages.run_id is 'additive: the run (assistant.runs.id) that this message began or ended';
create index idx_chat_messages_space_id on public.chat_messages (space_id);
create index idx_chat_messages_user_id on public.chat_messages (user_id);
create index idx_chat_messages_space_user_created_at on public.chat_messages (space_id, user_id, created_at, id);
create index idx_chat_messages_thread on public.chat_messages (user_id, space_id, thread_id, created_at, id);
alter table public.chat_messages enable row level security;
alter table public.chat_messages force row level security;

create policy chat_messages_select on public.chat_messages for select to authenticated
    using (user_id = (select auth.uid())
           and (space_id in (select member from private.member_spaces('viewer') as member)
                or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public')));
create policy chat_messages_insert on public.chat_messages for insert to authenticated
    with check (user_id = (select auth.uid()) and is_from_user
                and space_id = any (array(select private.member_spaces('viewer'))));
create policy chat_messages_delete on public.chat_messages for delete to authenticated
    using (user_id = (select auth.uid())
           and (space_id in (select member from private.member_spaces('viewer') as member)
                or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public')));
grant select, delete on public.chat_messages to authenticated;
grant insert (id, space_id, user_id, is_from_user, message, metadata, thread_id) on public.chat_messages to authenticated;
grant select, insert, update, delete on public.chat_messages to service_role;
grant insert on public.chat_messages to goalspace_definer;

select private.make_default_partition('chat_messages');
select assistant.ensure_partitions();
"""

RUNS = """
create table assistant.runs (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.users(id) on delete cascade,
    space_id uuid not null references public.spaces(id) on delete cascade,
    thread_id text not null check (length(thread_id) between 1 and 200),
    client_run_id text not null check (length(client_run_id) between 1 and 200),
    channel text not null default 'web' check (length(channel) between 1 and 50),
    status text not null default 'running'
        check (status in ('running', 'awaiting_approval', 'completed', 'cancelled', 'failed', 'interrupted')),
    question_id uuid not null default gen_random_uuid(),
    answer_id uuid not null default gen_random_uuid(),
    last_seq integer,
    error jsonb,
    usage jsonb,
    provider text not null default '',
    process uuid not null,
    epoch integer not null default 1,
    lease_until timestamptz not null,
    cancel_requested_at timestamptz,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint runs_client_run_id_key unique (user_id, client_run_id),
    constraint runs_finished check ((status in ('completed', 'cancelled', 'failed', 'interrupted')) = (finished_at is not null))
);
comment on column assistant.runs.last_seq is 'number of the last event, once the run has ended; until then the log knows';
comment on column assistant.runs.process is 'the process that runs it, while the lease holds';
comment on column assistant.runs.epoch is 'raised when a run is taken from its process, whose writes are refused from then on';
create unique index runs_one_active on assistant.runs (user_id, space_id, thread_id) where status = 'running';
create index idx_runs_thread on assistant.runs (user_id, space_id, thread_id, created_at);
create index idx_runs_space_id on assistant.runs (space_id);
create index idx_runs_lease on assistant.runs (lease_until) where status = 'running';
create index idx_runs_process on assistant.runs (process) where status = 'running';
alter table assistant.runs enable row level security;
alter table assistant.runs force row level security;
create policy runs_select on assistant.runs for select to authenticated
    using (user_id = (select auth.uid())
           and (space_id in (select member from private.member_spaces('viewer') as member)
                or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public')));
grant select on assistant.runs to authenticated;

create table assistant.run_events (
    run_id uuid not null references assistant.runs(id) on delete cascade,
    seq integer not null check (seq > 0),
    event json not null,
    created_at timestamptz not null default now(),
    primary key (run_id, seq)
);
comment on column assistant.run_events.event is 'one AG-UI event, byte for byte as it was sent';
alter table assistant.run_events enable row level security;
alter table assistant.run_events force row level security;
create policy run_events_select on assistant.run_events for select to authenticated
    using (exists (select 1 from assistant.runs r where r.id = run_id));
grant select on assistant.run_events to authenticated;

create table assistant.run_steps (
    run_id uuid not null references assistant.runs(id) on delete cascade,
    n integer not null check (n >= 0),
    role text not null check (role in ('user', 'assistant')),
    blocks jsonb not null check (jsonb_typeof(blocks) = 'array'),
    created_at timestamptz not null default now(),
    primary key (run_id, n)
);
comment on table assistant.run_steps is 'what the model saw and said, in the provider''s own blocks: its history';
alter table assistant.run_steps enable row level security;
alter table assistant.run_steps force row level security;
create policy run_steps_select on assistant.run_steps for select to authenticated
    using (exists (select 1 from assistant.runs r where r.id = run_id));
grant select on assistant.run_steps to authenticated;

create table assistant.message_keys (
    user_id uuid not null references public.users(id) on delete cascade,
    client_message_id text not null check (length(client_message_id) between 1 and 200),
    run_id uuid not null references assistant.runs(id) on delete cascade,
    message_hash bytea not null,
    primary key (user_id, client_message_id)
);
comment on table assistant.message_keys is 'a message sent twice is stored once; apart from chat_messages, whose keys hold a month';
create index idx_message_keys_run_id on assistant.message_keys (run_id);
alter table assistant.message_keys enable row level security;
alter table assistant.message_keys force row level security;
create policy message_keys_select on assistant.message_keys for select to authenticated
    using (user_id = (select auth.uid()));
grant select on assistant.message_keys to authenticated;

create table assistant.citations (
    message_id uuid not null,
    index integer not null check (index > 0),
    run_id uuid not null references assistant.runs(id) on delete cascade,
    user_id uuid not null references public.users(id) on delete cascade,
    chunk_id uuid not null,
    document_id uuid not null,
    title text not null,
    heading text,
    page integer,
    quote text not null,
    start_offset integer not null,
    end_offset integer not null,
    created_at timestamptz not null default now(),
    primary key (message_id, index),
    constraint citations_span check (end_offset > start_offset and start_offset >= 0)
);
comment on table assistant.citations is
    'what an answer was based on, as it stood then: a document may change or go, its quote in the answer stays';
create index idx_citations_run_id on assistant.citations (run_id);
create index idx_citations_user_id on assistant.citations (user_id);
alter table assistant.citations enable row level security;
alter table assistant.citations force row level security;
create policy citations_select on assistant.citations for select to authenticated
    using (user_id = (select auth.uid()) and exists (select 1 from assistant.runs r where r.id = run_id));
grant select on assistant.citations to authenticated;

create unlogged table assistant.run_listeners (
    run_id uuid not null,
    process uuid not null,
    until timestamptz not null,
    primary key (run_id, process)
);
comment on table assistant.run_listeners is 'processes that want to be told of events of runs that another process writes';
alter table assistant.run_listeners enable row level security;
alter table assistant.run_listeners force row level security;

grant select, insert, update, delete on
    assistant.runs, assistant.run_events, assistant.run_steps, assistant.message_keys, assistant.citations,
    assistant.run_listeners to service_role;
"""

BEGIN_TURN = """
grant select, insert on assistant.runs, assistant.message_keys to goalspace_definer;
grant insert on assistant.run_events to goalspace_definer;

create function assistant.begin_turn(
    space uuid, thread text, client_run text, client_message text, question text, on_channel text,
    by_provider text, first_event json, by_process uuid, lease interval
) returns table (outcome text, run uuid, run_name text, question_id uuid, answer_id uuid)
language plpgsql security definer set search_path = '' as $$
declare
    caller uuid := private.uid();
    hash bytea := sha256(convert_to(question, 'UTF8'));
    broken text;
begin
    if not exists (select 1 from public.spaces s where s.id = space
                   and (s.visibility = 'public' or s.id = any (array(select private.member_spaces('viewer'))))) then
        return query select 'not_found', null::uuid, null::text, null::uuid, null::uuid;
        return;
    end if;
    if not space = any (array(select private.member_spaces('viewer'))) then
        return query select 'forbidden', null::uuid, null::text, null::uuid, null::uuid;
        return;
    end if;

    if exists (select 1 from assistant.message_keys k where k.user_id = caller and k.client_message_id = client_message) then
        return query select * from private.repeated_turn(caller, space, thread, client_message, hash);
        return;
    end if;

    begin
        insert into assistant.runs as r (user_id, space_id, thread_id, client_run_id, channel, provider, process, lease_until)
        values (caller, space, thread, client_run, on_channel, by_provider, by_process, now() + lease)
        returning 'started', r.id, r.client_run_id, r.question_id, r.answer_id
        into outcome, run, run_name, question_id, answer_id;
        insert into assistant.message_keys (user_id, client_message_id, run_id, message_hash)
        values (caller, client_message, run, hash);
    exception when unique_violation then
        get stacked diagnostics broken = constraint_name;
        -- Two sendings of one message may have met here: then the first has begun the turn.
        if exists (select 1 from assistant.message_keys k
                   where k.user_id = caller and k.client_message_id = client_message) then
            return query select * from private.repeated_turn(caller, space, thread, client_message, hash);
        else
            return query select case broken when 'runs_one_active' then 'run_active' else 'run_id_reused' end,
                null::uuid, null::text, null::uuid, null::uuid;
        end if;
        return;
    end;

    insert into public.chat_messages (id, space_id, user_id, is_from_user, message, metadata, thread_id, run_id)
    values (question_id, space, caller, true, question,
            jsonb_build_object('client_message_id', client_message, 'channel', on_channel, 'run_id', client_run), thread, run);
    insert into assistant.run_events (run_id, seq, event) values (run, 1, first_event);
    return next;
end $$;
comment on function assistant.begin_turn(uuid, text, text, text, text, text, text, json, uuid, interval) is
    'stores the question, its key, the run and its first event, or nothing; says which rule stood in the way';

create function private.repeated_turn(caller uuid, space uuid, thread text, client_message text, hash bytea)
returns table (outcome text, run uuid, run_name text, question_id uuid, answer_id uuid)
language sql stable set search_path = '' as $$
    select case when k.message_hash = hash and r.thread_id = thread and r.space_id = space
                then 'repeated' else 'message_id_reused' end,
           r.id, r.client_run_id, r.question_id, r.answer_id
    from assistant.message_keys k join assistant.runs r on r.id = k.run_id
    where k.user_id = caller and k.client_message_id = client_message
$$;
grant execute on function private.repeated_turn(uuid, uuid, text, text, bytea) to goalspace_definer;

create function assistant.request_cancel(client_run text) returns table (run uuid, status text)
language sql volatile security definer set search_path = '' as $$
    update assistant.runs r set cancel_requested_at = coalesce(r.cancel_requested_at, now())
    where r.user_id = (select private.uid()) and r.client_run_id = client_run
    returning r.id, r.status
$$;
comment on function assistant.request_cancel(text) is 'asks the process that runs it to stop; a run that has ended stays as it is';
grant update (cancel_requested_at) on assistant.runs to goalspace_definer;

alter function assistant.begin_turn(uuid, text, text, text, text, text, text, json, uuid, interval) owner to goalspace_definer;
alter function assistant.request_cancel(text) owner to goalspace_definer;
revoke execute on function assistant.begin_turn(uuid, text, text, text, text, text, text, json, uuid, interval),
    assistant.request_cancel(text) from public, anon;
grant execute on function assistant.begin_turn(uuid, text, text, text, text, text, text, json, uuid, interval),
    assistant.request_cancel(text) to authenticated;
"""

DOWN = """
drop function assistant.begin_turn(uuid, text, text, text, text, text, text, json, uuid, interval),
    assistant.request_cancel(text), private.repeated_turn(uuid, uuid, text, text, bytea);
drop table assistant.run_listeners, assistant.citations, assistant.message_keys, assistant.run_steps,
    assistant.run_events, assistant.runs, public.chat_messages;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (MESSAGES, RUNS, BEGIN_TURN):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
