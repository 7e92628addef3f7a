"""What the mentor proposes and does: proposed, approved, executed once, undone. The database keeps to that order."""

from alembic import op

revision = "20261125_04"
down_revision = "20261125_03"
branch_labels = None
depends_on = None

ACTIONS = """
create table assistant.mentor_actions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.users(id) on delete cascade,
    space_id uuid not null references public.spaces(id) on delete cascade,
    run_id uuid not null references assistant.runs(id) on delete cascade,
    call_id text not null check (length(call_id) between 1 and 200),
    tool text not null check (length(tool) between 1 and 100),
    arguments jsonb not null,
    proposed_arguments jsonb,
    reason text check (reason in ('policy', 'foreign_text')),
    status text not null
        check (status in ('proposed', 'approved', 'rejected', 'expired', 'executed', 'failed', 'undone')),
    effect jsonb,
    result jsonb,
    answered_by text check (length(answered_by) between 1 and 50),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    answered_at timestamptz,
    executed_at timestamptz,
    undone_at timestamptz,
    constraint mentor_actions_call_key unique (run_id, call_id),
    constraint mentor_actions_arguments check (jsonb_typeof(arguments) = 'object' and pg_column_size(arguments) <= 131072),
    constraint mentor_actions_executed check ((status in ('executed', 'undone')) = (executed_at is not null)),
    constraint mentor_actions_undone check ((status = 'undone') = (undone_at is not null))
);
comment on table assistant.mentor_actions is
    'writes of the mentor, as the learner: each call of a run once. With the row that says so the change itself is made';
comment on column assistant.mentor_actions.arguments is 'as they were approved; proposed_arguments: as the model gave them, if other';
comment on column assistant.mentor_actions.reason is 'why it was not done at once; null: it was';
comment on column assistant.mentor_actions.effect is 'what is or would be changed: the row, and each field before and after';
comment on column assistant.mentor_actions.result is 'what model and screen are told of the outcome';
comment on column assistant.mentor_actions.answered_by is 'the channel that the answer came through';
create index idx_mentor_actions_user_id on assistant.mentor_actions (user_id, created_at desc, id desc);
create index idx_mentor_actions_space_id on assistant.mentor_actions (space_id, user_id, created_at desc, id desc);
create index idx_mentor_actions_open on assistant.mentor_actions (status, expires_at) where status in ('proposed', 'approved');
alter table assistant.mentor_actions enable row level security;
alter table assistant.mentor_actions force row level security;

create policy mentor_actions_select on assistant.mentor_actions for select to authenticated
    using (user_id = (select auth.uid())
           and (space_id in (select member from private.member_spaces('viewer') as member)
                or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public')));
create policy mentor_actions_insert on assistant.mentor_actions for insert to authenticated
    with check (user_id = (select auth.uid()) and status in ('proposed', 'executed')
                and exists (select from assistant.runs r where r.id = run_id and r.user_id = mentor_actions.user_id
                            and r.space_id = mentor_actions.space_id));
create policy mentor_actions_update on assistant.mentor_actions for update to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
grant select on assistant.mentor_actions to authenticated;
grant insert (id, user_id, space_id, run_id, call_id, tool, arguments, reason, status, effect, result, expires_at, executed_at)
    on assistant.mentor_actions to authenticated;
grant update (status, arguments, proposed_arguments, effect, result, answered_by, answered_at, executed_at, undone_at)
    on assistant.mentor_actions to authenticated;
grant select, insert, update, delete on assistant.mentor_actions to service_role;

create function assistant.action_status(action assistant.mentor_actions) returns text
language sql stable set search_path = '' as $$
    select case when action.status = 'proposed' and action.expires_at <= now() then 'expired' else action.status end
$$;
comment on function assistant.action_status(assistant.mentor_actions) is
    'nobody need have looked after it for an action to be expired';
grant execute on function assistant.action_status(assistant.mentor_actions) to authenticated, service_role;

create function private.check_action_change() returns trigger
language plpgsql set search_path = '' as $$
begin
    if (old.status, new.status) not in (
        ('proposed', 'approved'), ('proposed', 'rejected'), ('proposed', 'expired'),
        ('approved', 'executed'), ('approved', 'failed'), ('executed', 'undone')
    ) then
        raise exception 'an action that is % cannot become %', old.status, new.status using errcode = '42501';
    end if;
    if old.status = 'proposed' and new.status = 'approved' and old.expires_at <= clock_timestamp() then
        raise exception 'an action that has expired cannot be approved' using errcode = '42501';
    end if;
    if old.status <> 'proposed' and new.arguments is distinct from old.arguments then
        raise exception 'what was approved is what is done' using errcode = '42501';
    end if;
    return new;
end $$;
create trigger check_action_change before update on assistant.mentor_actions
    for each row execute function private.check_action_change();
"""

RUNS = """
alter table assistant.runs add column resumes uuid references assistant.runs(id) on delete cascade;
alter table assistant.runs add column goes_on boolean not null default false;
alter table assistant.runs add column shown uuid[];
comment on column assistant.runs.shown is 'chunks that the model was shown, by their numbers: a run that goes on cites them';
alter table assistant.runs add constraint runs_goes_on check (resumes is not null or not goes_on);
comment on column assistant.runs.resumes is 'the run whose proposals this one answers';
comment on column assistant.runs.goes_on is 'in it the model goes on where that run was interrupted: one run does, once all is answered';
create unique index runs_one_continuation on assistant.runs (resumes) where goes_on;
create index idx_runs_waiting on assistant.runs (id) where status = 'awaiting_approval';
create index idx_runs_resumes on assistant.runs (resumes);

-- A run that waits is over when nothing of it waits any more, whichever way it was answered.
create function private.close_waiting_run() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update assistant.runs r set status = 'completed', finished_at = clock_timestamp()
    where (r.id = new.run_id or r.resumes = new.run_id) and r.status = 'awaiting_approval'
      and not exists (select from assistant.mentor_actions a where a.run_id = new.run_id and a.status = 'proposed');
    return null;
end $$;
grant update (status, finished_at) on assistant.runs to goalspace_definer;
grant select on assistant.mentor_actions to goalspace_definer;
alter function private.close_waiting_run() owner to goalspace_definer;
create trigger close_waiting_run after update of status on assistant.mentor_actions
    for each row when (old.status = 'proposed') execute function private.close_waiting_run();
"""

RESUME = """
grant update (status, arguments, proposed_arguments, answered_by, answered_at) on assistant.mentor_actions
    to goalspace_definer;

create function assistant.resume_turn(
    space uuid, thread text, client_run text, answers jsonb, on_channel text, by_provider text, first_event json,
    by_process uuid, lease interval
) returns table (outcome text, run uuid, run_name text, answer_id uuid, resumed uuid, continues boolean, seen uuid[])
language plpgsql security definer set search_path = '' as $$
declare
    caller uuid := private.uid();
    broken text;
begin
    select 'repeated', r.id, r.client_run_id, r.answer_id, r.resumes, r.goes_on from assistant.runs r
    where r.user_id = caller and r.client_run_id = client_run
    into outcome, run, run_name, answer_id, resumed, continues;
    if found then
        outcome := case when resumed is null then 'run_id_reused' else 'repeated' end;
        return next;
        return;
    end if;

    -- One run at a time answers the proposals of another.
    select r.id, r.shown from assistant.runs r
    where r.user_id = caller and r.space_id = space and r.thread_id = thread
      and r.id = (select a.run_id from assistant.mentor_actions a where a.id = (answers -> 0 ->> 'id')::uuid)
    for no key update into resumed, seen;
    if resumed is null or not space = any (array(select private.member_spaces('viewer')))
       or (select count(*) from assistant.mentor_actions a join jsonb_array_elements(answers) as given on a.id = (given ->> 'id')::uuid
           where a.run_id = resumed) < jsonb_array_length(answers) then
        outcome := 'unknown_interrupt';
        return next;
        return;
    end if;

    begin
        update assistant.mentor_actions a
        set status = case when (given ->> 'approved')::boolean then 'approved' else 'rejected' end,
            arguments = coalesce(given -> 'arguments', a.arguments),
            proposed_arguments = case when given -> 'arguments' is not null then a.arguments end,
            answered_by = on_channel, answered_at = clock_timestamp()
        from jsonb_array_elements(answers) as given
        where a.id = (given ->> 'id')::uuid and a.status = 'proposed' and a.expires_at > clock_timestamp();

        continues := not exists (
            select from assistant.mentor_actions a
            where a.run_id = resumed and a.status = 'proposed' and a.expires_at > clock_timestamp());
        if continues then
            select 'repeated', r.id, r.client_run_id, r.answer_id from assistant.runs r
            where r.resumes = resumed and r.goes_on into outcome, run, run_name, answer_id;
            if found then
                return next;
                return;
            end if;
        end if;

        insert into assistant.runs as r (user_id, space_id, thread_id, client_run_id, channel, provider, process, lease_until,
                                         resumes, goes_on)
        values (caller, space, thread, client_run, on_channel, by_provider, by_process, now() + lease, resumed, continues)
        returning 'started', r.id, r.client_run_id, r.answer_id into outcome, run, run_name, answer_id;
        insert into assistant.run_events (run_id, seq, event) values (run, 1, first_event);
    exception when unique_violation then -- and then nothing is answered, either
        get stacked diagnostics broken = constraint_name;
        outcome := case broken when 'runs_one_active' then 'run_active' else 'run_id_reused' end;
    end;
    return next;
end $$;
comment on function assistant.resume_turn(uuid, text, text, jsonb, text, text, json, uuid, interval) is
    'stores the answers to proposals of a run and begins the run that they are answered in; an answer to what is settled changes nothing';
alter function assistant.resume_turn(uuid, text, text, jsonb, text, text, json, uuid, interval) owner to goalspace_definer;
revoke execute on function assistant.resume_turn(uuid, text, text, jsonb, text, text, json, uuid, interval) from public, anon;
grant execute on function assistant.resume_turn(uuid, text, text, jsonb, text, text, json, uuid, interval) to authenticated;
"""

DOWN = """
drop function assistant.resume_turn(uuid, text, text, jsonb, text, text, json, uuid, interval);
drop function assistant.action_status(assistant.mentor_actions);
drop table assistant.mentor_actions;
drop function private.check_action_change(), private.close_waiting_run();
revoke update (status, finished_at) on assistant.runs from goalspace_definer;
update assistant.runs set status = 'completed', finished_at = now() where status = 'awaiting_approval';
drop index assistant.idx_runs_waiting;
alter table assistant.runs drop column shown, drop column goes_on, drop column resumes;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (ACTIONS, RUNS, RESUME):
        run(part)


def downgrade() -> None:
    """What waited is over: an older version cannot answer it."""
    op.get_bind().exec_driver_sql(DOWN)
