"""Conversations: titles, summaries of what is long ago, versions of a message, thumbs."""

from alembic import op

revision = "20261125_06"
down_revision = "20261125_05"
branch_labels = None
depends_on = None

THREADS = """
create table assistant.threads (
    user_id uuid not null references public.users(id) on delete cascade,
    space_id uuid not null references public.spaces(id) on delete cascade,
    thread_id text not null check (length(thread_id) between 1 and 200),
    title text check (length(title) between 1 and 200),
    made_title text check (length(made_title) between 1 and 200),
    active_run_id uuid,
    created_at timestamptz not null default now(),
    last_message_at timestamptz not null default now(),
    primary key (user_id, space_id, thread_id)
);
comment on column assistant.threads.title is 'as the person named it; it stands before the one that was made';
comment on column assistant.threads.active_run_id is
    'the last turn of the branch that is shown. No foreign key: a run that is gone is one that nothing follows';
create index threads_recent on assistant.threads (user_id, space_id, last_message_at, thread_id);
create index idx_threads_space_id on assistant.threads (space_id);
alter table assistant.threads enable row level security;
alter table assistant.threads force row level security;
create policy threads_select on assistant.threads for select to authenticated
    using (user_id = (select auth.uid())
           and (space_id in (select member from private.member_spaces('viewer') as member)
                or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public')));
create policy threads_update on assistant.threads for update to authenticated
    using (user_id = (select auth.uid())
           and (space_id in (select member from private.member_spaces('viewer') as member)
                or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public')))
    with check (user_id = (select auth.uid()));
grant select on assistant.threads to authenticated;
grant update (title) on assistant.threads to authenticated;
grant select, insert, update, delete on assistant.threads to service_role, goalspace_definer;

alter table assistant.runs
    add column parent_id uuid references assistant.runs(id) on delete set null,
    add column history_size bigint not null default 0,
    add column is_active boolean not null default true;
comment on column assistant.runs.parent_id is 'the turn that this one follows; several may follow one: versions of a message';
comment on column assistant.runs.history_size is 'bytes of the steps of all turns before it, on its branch';
comment on column assistant.runs.is_active is 'it is on the branch of its thread that is shown and continued';
create index idx_runs_parent_id on assistant.runs (parent_id);
create index runs_first on assistant.runs (user_id, space_id, thread_id) where parent_id is null;

-- `offset 0` keeps the planner from reading all of a person's runs for a few steps.
alter policy run_steps_select on assistant.run_steps
    using (exists (select 1 from assistant.runs r where r.id = run_id offset 0));
"""

# Whoever makes a run need not know of branches: it follows the last turn of the branch that is shown, unless the
# transaction has said (begin_branch, begin_again) that it goes back to an earlier one.
PLACING = """
grant delete on assistant.runs to goalspace_definer;
grant update (is_active) on assistant.runs to goalspace_definer;
grant select, delete on assistant.run_steps to goalspace_definer;
grant select, delete on public.chat_messages to goalspace_definer;
grant update (run_id) on public.chat_messages to goalspace_definer;

create function private.size_of_steps(of_run uuid) returns bigint
language sql stable set search_path = '' as $$
    select coalesce(sum(octet_length(s.blocks::text)), 0)::bigint from assistant.run_steps s where s.run_id = of_run
$$;

create function private.show_branch(of_person uuid, space uuid, thread text, leaf uuid) returns void
language plpgsql set search_path = '' as $$
declare
    shared uuid;
    added uuid[];
begin
    with recursive branch (id, parent_id, is_active) as (
        select r.id, r.parent_id, r.is_active from assistant.runs r where r.id = leaf
        union all
        select r.id, r.parent_id, r.is_active from branch b join assistant.runs r on r.id = b.parent_id
        where not b.is_active
    )
    select array_agg(b.id) filter (where not b.is_active), (array_agg(b.id) filter (where b.is_active))[1]
    into added, shared from branch b;
    with recursive left_behind (id) as (
        select r.id from assistant.runs r
        where r.is_active and (r.parent_id = shared or shared is null and r.parent_id is null
            and (r.user_id, r.space_id, r.thread_id) = (of_person, space, thread))
        union all
        select r.id from left_behind l join assistant.runs r on r.parent_id = l.id where r.is_active
    )
    update assistant.runs r set is_active = false from left_behind l where r.id = l.id;
    update assistant.runs r set is_active = true where r.id = any (added);
    -- A question whose answer has versions stands for the run whose answer is shown.
    update public.chat_messages m set run_id = r.id
    from assistant.runs r where r.id = any (added) and m.id = r.question_id and m.run_id <> r.id;
    update assistant.threads t set active_run_id = leaf
    where (t.user_id, t.space_id, t.thread_id) = (of_person, space, thread);
end $$;
comment on function private.show_branch(uuid, uuid, text, uuid) is
    'makes the turn and those that it follows the branch that is shown; null: none is';

create function private.place_run() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    follows text := current_setting('assistant.follows', true);
    active uuid;
begin
    select t.active_run_id into active from assistant.threads t
    where (t.user_id, t.space_id, t.thread_id) = (new.user_id, new.space_id, new.thread_id) for update;
    if follows <> '' then -- which anybody can set: one of another conversation is none
        active := (select r.id from assistant.runs r where r.id = nullif(follows, 'nothing')::uuid
                   and (r.user_id, r.space_id, r.thread_id) = (new.user_id, new.space_id, new.thread_id));
        perform private.show_branch(new.user_id, new.space_id, new.thread_id, active);
    end if;
    insert into assistant.threads (user_id, space_id, thread_id, active_run_id)
    values (new.user_id, new.space_id, new.thread_id, new.id)
    on conflict (user_id, space_id, thread_id) do update
        set active_run_id = excluded.active_run_id, last_message_at = greatest(threads.last_message_at, now());
    select r.id, r.history_size + private.size_of_steps(r.id) into new.parent_id, new.history_size
    from assistant.runs r where r.id = active;
    new.history_size := coalesce(new.history_size, 0);
    return new;
end $$;
create trigger place_run before insert on assistant.runs for each row execute function private.place_run();

create function private.note_answer() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update assistant.threads t set last_message_at = new.finished_at
    where (t.user_id, t.space_id, t.thread_id) = (new.user_id, new.space_id, new.thread_id);
    return null;
end $$;
create trigger note_answer after update of finished_at on assistant.runs
    for each row when (new.finished_at is not null) execute function private.note_answer();

create function private.locate_turn(space uuid, thread text, named text) returns uuid
language sql stable set search_path = '' as $$
    select r.id from assistant.runs r
    where (r.user_id, r.space_id, r.thread_id) = ((select private.uid()), space, thread) and r.id = coalesce(
        (select m.run_id from public.chat_messages m
         where m.id = case when named ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then named::uuid end
           and m.user_id = (select private.uid())),
        (select k.run_id from assistant.message_keys k
         where k.user_id = (select private.uid()) and k.client_message_id = named))
$$;
comment on function private.locate_turn(uuid, text, text) is
    'the caller''s turn of that thread that the message belongs to, by our id of it or the client''s';

create function assistant.begin_branch(
    relation text, message text, space uuid, thread text, client_run text, client_message text, question text,
    on_channel text, by_provider text, first_event json, by_process uuid, lease interval
) returns table (outcome text, run uuid, run_name text, question_id uuid, answer_id uuid)
language plpgsql security definer set search_path = '' as $$
declare
    target uuid := private.locate_turn(space, thread, message);
    follows uuid;
begin
    if target is null then
        return query select 'unknown_message', null::uuid, null::text, null::uuid, null::uuid;
        return;
    end if;
    select case when relation = 'parent' then r.id else r.parent_id end into follows
    from assistant.runs r where r.id = target;
    perform set_config('assistant.follows', coalesce(follows::text, 'nothing'), true);
    return query select * from assistant.begin_turn(space, thread, client_run, client_message, question, on_channel,
                                                    by_provider, first_event, by_process, lease);
end $$;
comment on function
    assistant.begin_branch(text, text, uuid, text, text, text, text, text, text, json, uuid, interval) is
    'begin_turn, with a question that follows that message, or (relation "replaces") what that message followed';

create function assistant.begin_again(
    space uuid, thread text, client_run text, message text, on_channel text, by_provider text, first_event json,
    by_process uuid, lease interval
) returns table (outcome text, run uuid, run_name text, question_id uuid, answer_id uuid, question text)
language plpgsql security definer set search_path = '' as $$
declare
    caller uuid := private.uid();
    target uuid := private.locate_turn(space, thread, message);
    asked uuid;
    follows text;
    broken text;
begin
    if target is null then
        return query select 'unknown_message', null::uuid, null::text, null::uuid, null::uuid, null::text;
        return;
    end if;
    if not space = any (array(select private.member_spaces('viewer'))) then
        return query select 'forbidden', null::uuid, null::text, null::uuid, null::uuid, null::text;
        return;
    end if;
    select r.question_id, coalesce(r.parent_id::text, 'nothing') into asked, follows from assistant.runs r where r.id = target;
    select m.message into question from public.chat_messages m where m.id = asked and m.user_id = caller;
    if question is null then
        return query select 'unknown_message', null::uuid, null::text, null::uuid, null::uuid, null::text;
        return;
    end if;
    return query select case when (r.question_id, r.space_id, r.thread_id) = (asked, space, thread)
                             then 'repeated' else 'run_id_reused' end,
                        r.id, r.client_run_id, r.question_id, r.answer_id, question
    from assistant.runs r where r.user_id = caller and r.client_run_id = client_run;
    if found then
        return;
    end if;
    begin
        perform set_config('assistant.follows', follows, true);
        insert into assistant.runs as r
            (user_id, space_id, thread_id, client_run_id, question_id, channel, provider, process, lease_until)
        values (caller, space, thread, client_run, asked, on_channel, by_provider, by_process, now() + lease)
        returning 'started', r.id, r.client_run_id, r.question_id, r.answer_id
        into outcome, run, run_name, question_id, answer_id;
    exception when unique_violation then
        get stacked diagnostics broken = constraint_name;
        return query select case broken when 'runs_one_active' then 'run_active' else 'run_id_reused' end,
            null::uuid, null::text, null::uuid, null::uuid, null::text;
        return;
    end;
    update public.chat_messages m set run_id = run where m.id = asked and m.user_id = caller;
    insert into assistant.run_events (run_id, seq, event) values (run, 1, first_event);
    return next;
end $$;
comment on function assistant.begin_again(uuid, text, text, text, text, text, json, uuid, interval) is
    'begins another answer to the question of that message, beside those that there are';

create function assistant.show_version(shown_message uuid) returns text
language plpgsql security definer set search_path = '' as $$
declare
    caller uuid := private.uid();
    target assistant.runs;
    leaf uuid;
begin
    select r.* into target from public.chat_messages m join assistant.runs r on r.id = m.run_id
    where m.id = shown_message and m.user_id = caller and r.user_id = caller
      and exists (select from public.spaces s where s.id = r.space_id
                  and (s.visibility = 'public' or s.id = any (array(select private.member_spaces('viewer')))));
    if target.id is null then
        return 'not_found';
    end if;
    perform from assistant.threads t
    where (t.user_id, t.space_id, t.thread_id) = (caller, target.space_id, target.thread_id) for update;
    if exists (select from assistant.runs r where r.status = 'running'
               and (r.user_id, r.space_id, r.thread_id) = (caller, target.space_id, target.thread_id)) then
        return 'run_active';
    end if;
    if not (select r.is_active from assistant.runs r where r.id = target.id) then
        with recursive later (id, n) as (
            select target.id, 0
            union all
            select c.id, l.n + 1 from later l cross join lateral (
                select r.id from assistant.runs r where r.parent_id = l.id order by r.created_at desc, r.id limit 1) c
        )
        select l.id into leaf from later l order by l.n desc limit 1;
        perform private.show_branch(caller, target.space_id, target.thread_id, leaf);
    end if;
    return 'shown';
end $$;
comment on function assistant.show_version(uuid) is
    'shows the branch that the message is on, as far as it went; the outcome says what stood in the way';
"""

SUMMARIES = """
create table assistant.thread_summaries (
    run_id uuid primary key references assistant.runs(id) on delete cascade,
    user_id uuid not null references public.users(id) on delete cascade,
    summary text not null check (length(summary) between 1 and 20000),
    tainted boolean not null,
    turns integer not null check (turns > 0),
    tokens integer not null check (tokens >= 0),
    prompt_name text not null,
    prompt_version text not null,
    prompt_hash text not null,
    model text not null,
    created_at timestamptz not null default now()
);
comment on table assistant.thread_summaries is 'what was said in a turn and all that it follows, in short; made once, used as long as they stand';
comment on column assistant.thread_summaries.run_id is 'the last turn that it covers';
comment on column assistant.thread_summaries.tainted is 'the learner did not write all of what it was made from';
create index idx_thread_summaries_user_id on assistant.thread_summaries (user_id);
alter table assistant.thread_summaries enable row level security;
alter table assistant.thread_summaries force row level security;
create policy thread_summaries_select on assistant.thread_summaries for select to authenticated
    using (user_id = (select auth.uid()) and exists (select 1 from assistant.runs r where r.id = run_id));
create policy thread_summaries_delete on assistant.thread_summaries for delete to authenticated
    using (user_id = (select auth.uid()) and exists (select 1 from assistant.runs r where r.id = run_id));
grant select, delete on assistant.thread_summaries to authenticated;
grant select, insert, update, delete on assistant.thread_summaries to service_role;
grant select, delete on assistant.thread_summaries to goalspace_definer;

create function private.forget_messages() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    delete from assistant.run_steps s where s.run_id in (
        select g.run_id from gone g
        union select r.id from gone g join assistant.runs r -- each version of the answer was told the question
            on (r.user_id, r.space_id, r.thread_id, r.question_id) = (g.user_id, g.space_id, g.thread_id, g.id));
    delete from assistant.thread_summaries s using assistant.runs r
    where s.run_id = r.id and (r.user_id, r.space_id, r.thread_id) in (
        select distinct g.user_id, g.space_id, g.thread_id from gone g);
    return null;
end $$;
comment on function private.forget_messages() is 'who deletes a message does not want the mentor to remember it';
create trigger forget_messages after delete on public.chat_messages referencing old table as gone
    for each statement execute function private.forget_messages();

create function private.forget_threads() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    delete from assistant.thread_summaries s using assistant.runs r
    where s.run_id = r.id and (r.user_id, r.space_id, r.thread_id) in (
        select distinct g.user_id, g.space_id, g.thread_id from gone g);
    delete from assistant.threads t using (select distinct g.user_id, g.space_id, g.thread_id from gone g) g
    where (t.user_id, t.space_id, t.thread_id) = (g.user_id, g.space_id, g.thread_id)
      and not exists (select from assistant.runs r
                      where (r.user_id, r.space_id, r.thread_id) = (g.user_id, g.space_id, g.thread_id));
    return null;
end $$;
create trigger forget_threads after delete on assistant.runs referencing old table as gone
    for each statement execute function private.forget_threads();

create function private.tend_thread(of_run uuid) returns void
language sql set search_path = '' as $$
    insert into jobs.procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)
    select 'threads', 'tend_thread', of_thread.lock, of_thread.lock, jsonb_build_object('run_id', of_run)
    from (select 'tend_thread:' || md5(r.user_id::text || r.space_id::text || r.thread_id)
          from assistant.runs r where r.id = of_run) of_thread (lock)
    on conflict (queueing_lock) where status = 'todo' do nothing
$$;
comment on function private.tend_thread(uuid) is 'a title and a summary for the thread of that run, where they are missing';
"""

DELETING = """
create function assistant.delete_thread(space uuid, thread text) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
    caller uuid := private.uid();
begin
    if not exists (select from public.spaces s where s.id = space
                   and (s.visibility = 'public' or s.id = any (array(select private.member_spaces('viewer'))))) then
        return false;
    end if;
    delete from public.chat_messages m where (m.user_id, m.space_id, m.thread_id) = (caller, space, thread);
    delete from assistant.runs r where (r.user_id, r.space_id, r.thread_id) = (caller, space, thread);
    return found;
end $$;
comment on function assistant.delete_thread(uuid, text) is
    'removes one of the caller''s conversations with everything; false: there is none';

create table assistant.feedback (
    run_id uuid primary key references assistant.runs(id) on delete cascade,
    user_id uuid not null references public.users(id) on delete cascade,
    value smallint not null check (value between -1 and 1),
    comment text check (length(comment) between 1 and 4000),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table assistant.feedback is 'what a learner thinks of an answer, by its run';
create index idx_feedback_user_id on assistant.feedback (user_id);
alter table assistant.feedback enable row level security;
alter table assistant.feedback force row level security;
create trigger touch_updated_at before update on assistant.feedback
    for each row execute function private.touch_updated_at();
create policy feedback_select on assistant.feedback for select to authenticated
    using (user_id = (select auth.uid()) and exists (select 1 from assistant.runs r where r.id = run_id));
create policy feedback_insert on assistant.feedback for insert to authenticated
    with check (user_id = (select auth.uid()) and exists (select 1 from assistant.runs r where r.id = run_id));
create policy feedback_update on assistant.feedback for update to authenticated
    using (user_id = (select auth.uid()) and exists (select 1 from assistant.runs r where r.id = run_id))
    with check (user_id = (select auth.uid()));
grant select on assistant.feedback to authenticated;
grant insert (run_id, user_id, value, comment) on assistant.feedback to authenticated;
grant update (value, comment) on assistant.feedback to authenticated;
grant select, insert, update, delete on assistant.feedback to service_role;
"""

RIGHTS = """
alter function private.place_run() owner to goalspace_definer;
alter function private.note_answer() owner to goalspace_definer;
alter function private.forget_messages() owner to goalspace_definer;
alter function private.forget_threads() owner to goalspace_definer;
alter function assistant.begin_branch(text, text, uuid, text, text, text, text, text, text, json, uuid, interval)
    owner to goalspace_definer;
alter function assistant.begin_again(uuid, text, text, text, text, text, json, uuid, interval) owner to goalspace_definer;
alter function assistant.show_version(uuid) owner to goalspace_definer;
alter function assistant.delete_thread(uuid, text) owner to goalspace_definer;
grant execute on function private.size_of_steps(uuid), private.show_branch(uuid, uuid, text, uuid),
    private.locate_turn(uuid, text, text) to goalspace_definer;
grant execute on function private.tend_thread(uuid) to service_role;
revoke execute on function
    assistant.begin_branch(text, text, uuid, text, text, text, text, text, text, json, uuid, interval),
    assistant.begin_again(uuid, text, text, text, text, text, json, uuid, interval),
    assistant.show_version(uuid), assistant.delete_thread(uuid, text) from public, anon;
grant execute on function
    assistant.begin_branch(text, text, uuid, text, text, text, text, text, text, json, uuid, interval),
    assistant.begin_again(uuid, text, text, text, text, text, json, uuid, interval),
    assistant.show_version(uuid), assistant.delete_thread(uuid, text) to authenticated;
"""

# Turns that are there already follow each other as they were asked.
PRESENT_TURNS = """
update assistant.runs r set parent_id = o.parent_id, history_size = o.history_size
from (select r.id, lag(r.id) over turns as parent_id,
             coalesce(sum(s.size) over (turns rows between unbounded preceding and 1 preceding), 0) as history_size
      from assistant.runs r cross join lateral (
          select coalesce(sum(octet_length(s.blocks::text)), 0) from assistant.run_steps s where s.run_id = r.id) s (size)
      window turns as (partition by r.user_id, r.space_id, r.thread_id order by r.created_at, r.id)) o
where r.id = o.id;
insert into assistant.threads (user_id, space_id, thread_id, active_run_id, created_at, last_message_at)
select user_id, space_id, thread_id, (array_agg(id order by created_at desc, id desc))[1], min(created_at),
       max(coalesce(finished_at, created_at))
from assistant.runs group by 1, 2, 3;
"""

DOWN = """
drop trigger place_run on assistant.runs;
drop trigger note_answer on assistant.runs;
drop trigger forget_threads on assistant.runs;
drop trigger forget_messages on public.chat_messages;
drop function
    assistant.begin_branch(text, text, uuid, text, text, text, text, text, text, json, uuid, interval),
    assistant.begin_again(uuid, text, text, text, text, text, json, uuid, interval),
    assistant.show_version(uuid), assistant.delete_thread(uuid, text),
    private.place_run(), private.note_answer(), private.forget_messages(), private.forget_threads(),
    private.tend_thread(uuid), private.locate_turn(uuid, text, text), private.show_branch(uuid, uuid, text, uuid),
    private.size_of_steps(uuid);
drop table assistant.feedback, assistant.thread_summaries, assistant.threads;
alter policy run_steps_select on assistant.run_steps using (exists (select 1 from assistant.runs r where r.id = run_id));
delete from jobs.procrastinate_jobs where queue_name = 'threads';
alter table assistant.runs drop column parent_id, drop column history_size, drop column is_active;
revoke delete on assistant.runs from goalspace_definer;
revoke select, delete on assistant.run_steps from goalspace_definer;
revoke select, delete on public.chat_messages from goalspace_definer;
revoke update (run_id) on public.chat_messages from goalspace_definer;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (THREADS, PRESENT_TURNS, PLACING, SUMMARIES, DELETING, RIGHTS):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
