"""Goals, spaces, collaborators, modules, tasks, progress, summaries: who may do what is docs/security.md."""

from alembic import op

revision = "20261124_03"
down_revision = "20261124_02"
branch_labels = None
depends_on = None

GOALS = """
create table public.goals (
    id uuid primary key default uuid_generate_v4(),
    user_id uuid not null references public.users(id) on delete cascade,
    title text not null,
    description text,
    category text,
    status text not null default 'active' check (status in ('active', 'completed', 'archived')),
    priority integer default 0,
    due_date timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, title),
    constraint goals_tenant_key unique (id, user_id),
    constraint goals_due_date check (due_date between '1900-01-01 00:00+00' and '3000-01-01 00:00+00'),
    constraint goals_lengths check (
        length(title) between 1 and 300 and length(description) <= 20000 and length(category) <= 100)
);
create index idx_goals_created_at on public.goals (created_at);
create index idx_goals_user_created_at on public.goals (user_id, created_at, id);
alter table public.goals enable row level security;
alter table public.goals force row level security;
create trigger touch_updated_at before update on public.goals
    for each row execute function private.touch_updated_at();

create policy goals_select_policy on public.goals for select to authenticated
    using (user_id = (select auth.uid()));
create policy goals_insert_policy on public.goals for insert to authenticated
    with check (user_id = (select auth.uid()));
create policy goals_update_policy on public.goals for update to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy goals_delete_policy on public.goals for delete to authenticated
    using (user_id = (select auth.uid()));
grant select, delete on public.goals to authenticated;
grant insert (id, user_id, title, description, category, status, priority, due_date) on public.goals to authenticated;
grant update (title, description, category, status, priority, due_date) on public.goals to authenticated;
"""

SPACES = """
create table public.spaces (
    id uuid primary key default uuid_generate_v4(),
    goal_id uuid not null references public.goals(id) on delete cascade,
    user_id uuid not null references public.users(id) on delete cascade,
    title text not null,
    description text,
    theme text default 'default',
    color_scheme text default 'blue',
    visibility text not null default 'private' check (visibility in ('private', 'public', 'shared')),
    ai_mentor_config jsonb default '{"type": "default", "personality": "helpful", "expertise": []}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    had_editors boolean not null default false,
    unique (goal_id, title),
    constraint spaces_goal_of_same_user foreign key (goal_id, user_id) references public.goals (id, user_id) on delete cascade,
    constraint spaces_lengths check (
        length(title) between 1 and 300 and length(description) <= 20000
        and length(theme) <= 50 and length(color_scheme) <= 50),
    constraint spaces_ai_mentor_config check (
        jsonb_typeof(ai_mentor_config) = 'object' and octet_length(ai_mentor_config::text) <= 16384)
);
comment on column public.spaces.had_editors is
    'additive: whether somebody beside the owner could ever write here, so that its text may be another''s';
create index idx_spaces_user_id on public.spaces (user_id);
create index idx_spaces_goal_id on public.spaces (goal_id);
create index idx_spaces_user_created_at on public.spaces (user_id, created_at, id);
create index idx_spaces_public on public.spaces (id) where visibility = 'public';
alter table public.spaces enable row level security;
alter table public.spaces force row level security;
create trigger touch_updated_at before update on public.spaces
    for each row when (new.had_editors = old.had_editors) -- that is no change of what the space says
    execute function private.touch_updated_at();

create table public.space_collaborators (
    id uuid primary key default uuid_generate_v4(),
    space_id uuid not null references public.spaces(id) on delete cascade,
    user_id uuid not null references public.users(id) on delete cascade,
    role text not null default 'viewer' check (role in ('viewer', 'editor', 'admin')),
    invited_at timestamptz not null default now(),
    accepted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (space_id, user_id)
);
create index idx_space_collaborators_user_id on public.space_collaborators (user_id, space_id);
alter table public.space_collaborators enable row level security;
alter table public.space_collaborators force row level security;
create trigger touch_updated_at before update on public.space_collaborators
    for each row execute function private.touch_updated_at();
"""

# The policies ask these and not the tables: `spaces` and `space_collaborators` would ask each other without end.
MEMBERSHIP = """
grant select on public.users, public.spaces to goalspace_definer;
grant select, update (accepted_at) on public.space_collaborators to goalspace_definer;

create function private.owned_spaces() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select s.id from public.spaces s where s.user_id = (select private.uid())
$$;

create function private.member_spaces(at_least text) returns setof uuid
language sql stable security definer set search_path = '' as $$
    select s.id from public.spaces s where s.user_id = (select private.uid())
    union all
    select c.space_id
    from public.space_collaborators c
    join public.spaces s on s.id = c.space_id
    where c.user_id = (select private.uid())
      and c.accepted_at is not null
      and s.visibility <> 'private'
      and c.role = any (case at_least
          when 'viewer' then array['viewer', 'editor', 'admin']
          when 'editor' then array['editor', 'admin']
          when 'admin' then array['admin'] end)
$$;
comment on function private.member_spaces(text) is
    'spaces in which the caller has at least this role; the owner has every role, a pending invitee none';

alter function private.owned_spaces() owner to goalspace_definer;
alter function private.member_spaces(text) owner to goalspace_definer;
grant execute on function private.owned_spaces(), private.member_spaces(text)
    to anon, authenticated, service_role;

create policy spaces_select on public.spaces for select to anon, authenticated
    using (user_id = (select auth.uid()) or visibility = 'public'
           or id in (select member from private.member_spaces('viewer') as member));
create policy spaces_insert on public.spaces for insert to authenticated
    with check (user_id = (select auth.uid()));
create policy spaces_update on public.spaces for update to authenticated
    using (id = any (array(select private.member_spaces('admin'))))
    with check (id = any (array(select private.member_spaces('admin'))));
create policy spaces_delete on public.spaces for delete to authenticated
    using (user_id = (select auth.uid()));
grant select on public.spaces to anon, authenticated;
grant delete on public.spaces to authenticated;
grant insert (id, goal_id, user_id, title, description, theme, color_scheme, visibility, ai_mentor_config)
    on public.spaces to authenticated;
grant update (title, description, theme, color_scheme, visibility, ai_mentor_config) on public.spaces to authenticated;

create function private.guard_visibility() returns trigger language plpgsql set search_path = '' as $$
begin
    if new.visibility is distinct from old.visibility and current_user = 'authenticated'
       and old.user_id is distinct from auth.uid() then
        raise exception 'only the owner of a space changes its visibility' using errcode = '42501';
    end if;
    return new;
end $$;
create trigger guard_visibility before update of visibility on public.spaces
    for each row execute function private.guard_visibility();

create policy space_collaborators_select on public.space_collaborators for select to authenticated
    using (user_id = (select auth.uid()) or space_id = any (array(select private.member_spaces('viewer'))));
create policy space_collaborators_insert on public.space_collaborators for insert to authenticated
    with check (accepted_at is null and user_id <> (select auth.uid())
        and (space_id = any (array(select private.owned_spaces()))
             or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin'))))));
create policy space_collaborators_update on public.space_collaborators for update to authenticated
    using (space_id = any (array(select private.owned_spaces()))
        or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin')))))
    with check (space_id = any (array(select private.owned_spaces()))
        or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin')))));
create policy space_collaborators_delete on public.space_collaborators for delete to authenticated
    using (user_id = (select auth.uid()) or space_id = any (array(select private.owned_spaces()))
        or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin')))));
grant select, delete on public.space_collaborators to authenticated;
grant insert (id, space_id, user_id, role) on public.space_collaborators to authenticated;
grant update (role) on public.space_collaborators to authenticated;

-- Not taken back when they leave: what they wrote stays.
grant update (had_editors) on public.spaces to goalspace_definer;
create function private.note_editors() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update public.spaces s set had_editors = true where s.id = new.space_id and not s.had_editors;
    return null;
end $$;
alter function private.note_editors() owner to goalspace_definer;
create trigger note_editors after insert or update of role, accepted_at on public.space_collaborators for each row
    when (new.accepted_at is not null and new.role in ('editor', 'admin')) execute function private.note_editors();

create function public.accept_invitation(space uuid) returns boolean
language sql volatile security definer set search_path = '' as $$
    with accepted as (
        update public.space_collaborators c set accepted_at = now()
        where c.space_id = space and c.user_id = (select private.uid()) and c.accepted_at is null
        returning 1)
    select exists (select 1 from accepted)
$$;
comment on function public.accept_invitation(uuid) is 'takes up the caller''s own pending invitation; false: there is none';

create function public.member_profiles(space uuid) returns table (id uuid, full_name text, avatar_url text)
language sql stable security definer set search_path = '' as $$
    select u.id, u.full_name, u.avatar_url
    from public.users u
    where space = any (array(select private.member_spaces('viewer')))
      and u.id in (
          select s.user_id from public.spaces s where s.id = space
          union all
          select c.user_id from public.space_collaborators c where c.space_id = space and c.accepted_at is not null)
$$;
alter function public.accept_invitation(uuid) owner to goalspace_definer;
alter function public.member_profiles(uuid) owner to goalspace_definer;
revoke execute on function public.accept_invitation(uuid), public.member_profiles(uuid) from public, anon;
grant execute on function public.accept_invitation(uuid), public.member_profiles(uuid) to authenticated;
"""

MODULES = """
create table public.modules (
    id uuid primary key default uuid_generate_v4(),
    space_id uuid not null references public.spaces(id) on delete cascade,
    title text not null,
    description text,
    content_type text not null check (content_type in ('text', 'video', 'audio', 'interactive')),
    content text,
    order_index integer not null default 0,
    estimated_duration integer, -- in minutes
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint modules_tenant_key unique (id, space_id),
    constraint modules_lengths check (
        length(title) between 1 and 300 and length(description) <= 20000 and length(content) <= 2000000),
    constraint modules_estimated_duration check (estimated_duration >= 0)
);
create index idx_modules_space_id on public.modules (space_id);
create index idx_modules_space_order on public.modules (space_id, order_index, id);
alter table public.modules enable row level security;
alter table public.modules force row level security;
create trigger touch_updated_at before update on public.modules
    for each row execute function private.touch_updated_at();
create policy modules_select on public.modules for select to anon, authenticated
    using (space_id in (select member from private.member_spaces('viewer') as member)
        or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public'));
create policy modules_insert on public.modules for insert to authenticated
    with check (space_id = any (array(select private.member_spaces('editor'))));
create policy modules_update on public.modules for update to authenticated
    using (space_id = any (array(select private.member_spaces('editor'))))
    with check (space_id = any (array(select private.member_spaces('editor'))));
create policy modules_delete on public.modules for delete to authenticated
    using (space_id = any (array(select private.member_spaces('editor'))));
grant select on public.modules to anon, authenticated;
grant delete on public.modules to authenticated;
grant insert (id, space_id, title, description, content_type, content, order_index, estimated_duration)
    on public.modules to authenticated;
grant update (title, description, content_type, content, order_index, estimated_duration)
    on public.modules to authenticated;
"""

TASKS = """
create table public.tasks (
    id uuid primary key default uuid_generate_v4(),
    space_id uuid not null references public.spaces(id) on delete cascade,
    module_id uuid references public.modules(id) on delete set null,
    title text not null,
    description text,
    status text not null default 'pending' check (status in ('pending', 'in_progress', 'completed')),
    due_date timestamptz,
    priority text default 'medium' check (priority in ('low', 'medium', 'high', 'urgent')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint tasks_module_of_same_space foreign key (module_id, space_id)
        references public.modules (id, space_id) on delete set null (module_id),
    constraint tasks_due_date check (due_date between '1900-01-01 00:00+00' and '3000-01-01 00:00+00'),
    constraint tasks_lengths check (length(title) between 1 and 300 and length(description) <= 20000)
);
create index idx_tasks_space_id on public.tasks (space_id);
create index idx_tasks_module_id on public.tasks (module_id);
create index idx_tasks_due_date on public.tasks (due_date);
create index idx_tasks_status on public.tasks (status);
create index idx_tasks_space_created_at on public.tasks (space_id, created_at, id);
create index idx_tasks_space_status_due on public.tasks
    (space_id, status, coalesce(due_date, '3001-01-01Z'::timestamptz), id);
alter table public.tasks enable row level security;
alter table public.tasks force row level security;
create trigger touch_updated_at before update on public.tasks
    for each row execute function private.touch_updated_at();
create policy tasks_select on public.tasks for select to anon, authenticated
    using (space_id in (select member from private.member_spaces('viewer') as member)
        or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public'));
create policy tasks_insert on public.tasks for insert to authenticated
    with check (space_id = any (array(select private.member_spaces('editor'))));
create policy tasks_update on public.tasks for update to authenticated
    using (space_id = any (array(select private.member_spaces('editor'))))
    with check (space_id = any (array(select private.member_spaces('editor'))));
create policy tasks_delete on public.tasks for delete to authenticated
    using (space_id = any (array(select private.member_spaces('editor'))));
grant select on public.tasks to anon, authenticated;
grant delete on public.tasks to authenticated;
grant insert (id, space_id, module_id, title, description, status, due_date, priority) on public.tasks to authenticated;
grant update (module_id, title, description, status, due_date, priority) on public.tasks to authenticated;
"""

PROGRESS = """
create table public.module_progress (
    id uuid primary key default uuid_generate_v4(),
    module_id uuid not null references public.modules(id) on delete cascade,
    user_id uuid not null references public.users(id) on delete cascade,
    completion_percentage integer not null default 0 check (completion_percentage between 0 and 100),
    last_interaction_at timestamptz,
    completed_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (module_id, user_id)
);
create index idx_module_progress_user_id on public.module_progress (user_id);
alter table public.module_progress enable row level security;
alter table public.module_progress force row level security;
create function private.keep_progress_true() returns trigger language plpgsql set search_path = '' as $$
begin
    new.last_interaction_at := now();
    new.completed_at := case when new.completion_percentage = 100 then coalesce(new.completed_at, now()) end;
    return new;
end $$;
create trigger keep_progress_true before insert or update on public.module_progress
    for each row execute function private.keep_progress_true();
create trigger touch_updated_at before update on public.module_progress
    for each row execute function private.touch_updated_at();
create policy module_progress_select on public.module_progress for select to authenticated
    using (user_id = (select auth.uid()));
create policy module_progress_insert on public.module_progress for insert to authenticated
    with check (user_id = (select auth.uid()) and exists (select 1 from public.modules m where m.id = module_id));
create policy module_progress_update on public.module_progress for update to authenticated
    using (user_id = (select auth.uid()) and exists (select 1 from public.modules m where m.id = module_id))
    with check (user_id = (select auth.uid()));
create policy module_progress_delete on public.module_progress for delete to authenticated
    using (user_id = (select auth.uid()));
grant select, delete on public.module_progress to authenticated;
grant insert (id, module_id, user_id, completion_percentage) on public.module_progress to authenticated;
grant update (completion_percentage) on public.module_progress to authenticated;
"""

# Counted by scalar subselects: three joins at once multiply each other's rows (same columns, same figures).
SUMMARIES = """
create materialized view public.space_summaries as
select space_id, user_id, goal_id, title, total_modules, total_tasks, completed_tasks, completed_modules,
       case when total_modules = 0 then 0
            else round((completed_modules * 100.0 / total_modules)::numeric, 2) end as overall_progress
from (
    select s.id as space_id, s.user_id, s.goal_id, s.title,
        (select count(*) from public.modules m where m.space_id = s.id) as total_modules,
        (select count(*) from public.tasks t where t.space_id = s.id) as total_tasks,
        (select count(*) from public.tasks t where t.space_id = s.id and t.status = 'completed') as completed_tasks,
        (select count(*) from public.module_progress p join public.modules m on m.id = p.module_id
         where m.space_id = s.id and p.user_id = s.user_id and p.completion_percentage = 100) as completed_modules
    from public.spaces s) counted;
create unique index space_summaries_space_id on public.space_summaries (space_id);
revoke all on public.space_summaries from public, anon, authenticated;
grant select on public.space_summaries to service_role, goalspace_definer;

create function public.my_space_summaries() returns setof public.space_summaries
language sql stable security definer set search_path = '' as $$
    select v.* from public.space_summaries v where v.space_id = any (array(select private.member_spaces('viewer')))
$$;
comment on function public.my_space_summaries() is
    'the guarded way to space_summaries: a materialised view knows no row-level security';
alter function public.my_space_summaries() owner to goalspace_definer;
revoke execute on function public.my_space_summaries() from public, anon;
grant execute on function public.my_space_summaries() to authenticated;

grant select on public.modules, public.tasks, public.module_progress to goalspace_definer;
create function assistant.space_summary(space uuid) returns setof public.space_summaries
language sql stable security definer set search_path = '' as $$
    select c.space_id, c.user_id, c.goal_id, c.title, c.total_modules, c.total_tasks, c.completed_tasks,
           c.completed_modules, case when c.total_modules = 0 then 0
               else round((c.completed_modules * 100.0 / c.total_modules)::numeric, 2) end
    from (
        select s.id as space_id, s.user_id, s.goal_id, s.title,
            (select count(*) from public.modules m where m.space_id = s.id) as total_modules,
            (select count(*) from public.tasks t where t.space_id = s.id) as total_tasks,
            (select count(*) from public.tasks t where t.space_id = s.id and t.status = 'completed') as completed_tasks,
            (select count(*) from public.module_progress p join public.modules m on m.id = p.module_id
             where m.space_id = s.id and p.user_id = s.user_id and p.completion_percentage = 100) as completed_modules
        from public.spaces s
        where s.id = space and s.id = any (array(select private.member_spaces('viewer')))) c
$$;
comment on function assistant.space_summary(uuid) is
    'one space''s row of space_summaries as it would be now; for members, since it shows the owner''s progress';
alter function assistant.space_summary(uuid) owner to goalspace_definer;
grant execute on function assistant.space_summary(uuid) to authenticated;

create function assistant.refresh_space_summaries() returns boolean
language plpgsql security definer set search_path = '' as $$
begin
    if not pg_try_advisory_xact_lock(hashtext('goalspace.space_summaries')) then
        return false;
    end if;
    refresh materialized view concurrently public.space_summaries;
    return true;
end $$;
comment on function assistant.refresh_space_summaries() is
    'false: somebody else is at it. It runs as the owner of the view, whom policies do not hold back: they would empty it';
grant execute on function assistant.refresh_space_summaries() to service_role;

grant select, insert, update, delete on public.goals, public.spaces, public.space_collaborators, public.modules,
    public.tasks, public.module_progress to service_role;
"""

DOWN = """
drop function assistant.refresh_space_summaries(), assistant.space_summary(uuid), public.my_space_summaries(),
    public.member_profiles(uuid), public.accept_invitation(uuid);
drop materialized view public.space_summaries;
drop table public.module_progress, public.tasks, public.modules, public.space_collaborators, public.spaces, public.goals;
drop function private.keep_progress_true(), private.guard_visibility(), private.note_editors(), private.owned_spaces(),
    private.member_spaces(text);
revoke select on public.users from goalspace_definer;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (GOALS, SPACES, MEMBERSHIP, MODULES, TASKS, PROGRESS, SUMMARIES):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
