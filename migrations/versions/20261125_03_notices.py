"""Invitations by address, messages to people, replies that stay where they were made, authors' public names."""

from alembic import op

revision = "20261125_03"
down_revision = "20261125_02"
branch_labels = None
depends_on = None

INVITATIONS = """
create table assistant.invitations (
    id uuid primary key default gen_random_uuid(),
    space_id uuid not null references public.spaces(id) on delete cascade,
    email text not null,
    role text not null default 'viewer' check (role in ('viewer', 'editor', 'admin')),
    invited_by uuid not null references public.users(id) on delete cascade,
    for_account uuid references public.users(id) on delete cascade,
    secret_hash bytea not null check (octet_length(secret_hash) = 32),
    expires_at timestamptz not null default now() + interval '14 days',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint invitations_space_id_email_key unique (space_id, email),
    constraint invitations_email check (length(email) between 3 and 320 and email = lower(email))
);
comment on table assistant.invitations is
    'invitations to an address, whether or not somebody here has it: who invites can not tell';
comment on column assistant.invitations.for_account is
    'who had the address when the invitation was made, and so need not have the link; hidden from those who invite';
comment on column assistant.invitations.secret_hash is 'SHA-256 of what the link holds';
create index idx_invitations_invited_by on assistant.invitations (invited_by);
create index idx_invitations_for_account on assistant.invitations (for_account);
alter table assistant.invitations enable row level security;
alter table assistant.invitations force row level security;
create trigger touch_updated_at before update on assistant.invitations
    for each row execute function private.touch_updated_at();

create policy invitations_select on assistant.invitations for select to authenticated
    using (space_id = any (array(select private.owned_spaces())) or space_id = any (array(select private.member_spaces('admin'))));
create policy invitations_insert on assistant.invitations for insert to authenticated
    with check (invited_by = (select auth.uid())
        and (space_id = any (array(select private.owned_spaces()))
             or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin'))))));
create policy invitations_update on assistant.invitations for update to authenticated
    using (space_id = any (array(select private.owned_spaces()))
        or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin')))))
    with check (space_id = any (array(select private.owned_spaces()))
        or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin')))));
create policy invitations_delete on assistant.invitations for delete to authenticated
    using (space_id = any (array(select private.owned_spaces()))
        or (role <> 'admin' and space_id = any (array(select private.member_spaces('admin')))));
grant select (id, space_id, email, role, invited_by, expires_at, created_at, updated_at)
    on assistant.invitations to authenticated;
grant insert (id, space_id, email, role, invited_by, secret_hash) on assistant.invitations to authenticated;
grant update (role) on assistant.invitations to authenticated;
grant delete on assistant.invitations to authenticated;
grant select, insert, update, delete on assistant.invitations to service_role;
grant select, delete on assistant.invitations to goalspace_definer;

create function private.find_invited() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    new.for_account := (select u.id from public.users u where lower(u.email) = new.email);
    return new;
end $$;
alter function private.find_invited() owner to goalspace_definer;
create trigger find_invited before insert on assistant.invitations
    for each row execute function private.find_invited();
"""

# An invitation counts for as long as who made it could make it: somebody who was an admin leaves none behind. Whoever
# takes one up while it is withdrawn waits for the other, and then finds it gone.
ACCEPTING = """
grant insert (space_id, user_id, role, accepted_at), update (role) on public.space_collaborators to goalspace_definer;

create function private.take_up(invitation uuid, taker uuid) returns uuid
language plpgsql set search_path = '' as $$
declare
    taken assistant.invitations;
    ranks constant text[] := array['viewer', 'editor', 'admin'];
begin
    delete from assistant.invitations i where i.id = invitation and i.expires_at > now() returning i.* into taken;
    if taken.id is null or not exists (
        select from public.spaces s where s.id = taken.space_id and (
            s.user_id = taken.invited_by
            or taken.role <> 'admin' and exists (
                select from public.space_collaborators c
                where c.space_id = s.id and c.user_id = taken.invited_by and c.role = 'admin'
                  and c.accepted_at is not null))) then
        return null;
    end if;
    insert into public.space_collaborators as c (space_id, user_id, role, accepted_at)
    select s.id, taker, taken.role, now() from public.spaces s where s.id = taken.space_id and s.user_id <> taker
    on conflict (space_id, user_id) do update
    set role = case when c.accepted_at is null or array_position(ranks, excluded.role) > array_position(ranks, c.role)
                    then excluded.role else c.role end,  -- an invitation never takes anything away
        accepted_at = coalesce(c.accepted_at, now());
    return taken.space_id;
end $$;
comment on function private.take_up(uuid, uuid) is 'the space that the taker belongs to now; null: there was nothing to take up';
grant execute on function private.take_up(uuid, uuid) to goalspace_definer;

create or replace function public.accept_invitation(space uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
    update public.space_collaborators c set accepted_at = now()
    where c.space_id = space and c.user_id = (select private.uid()) and c.accepted_at is null;
    return found or exists (
        select from assistant.invitations i
        where i.space_id = space and i.for_account = (select private.uid())
          and private.take_up(i.id, i.for_account) is not null);
end $$;

create function assistant.take_invitation(invitation uuid) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
    place uuid;
begin
    update public.space_collaborators c set accepted_at = now()
    where c.id = invitation and c.user_id = (select private.uid()) and c.accepted_at is null
    returning c.space_id into place;
    if place is null and exists (select from assistant.invitations i
                                 where i.id = invitation and i.for_account = (select private.uid())) then
        place := private.take_up(invitation, private.uid());
    end if;
    return place;
end $$;
comment on function assistant.take_invitation(uuid) is
    'takes up an invitation made to the caller''s account; the space, or null where there is none';

create function assistant.take_invitation_link(invitation uuid, secret bytea) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
begin
    if private.uid() is null or not exists (
        select from assistant.invitations i where i.id = invitation and i.secret_hash = sha256(secret)) then
        return null;
    end if;
    return private.take_up(invitation, private.uid());
end $$;
comment on function assistant.take_invitation_link(uuid, bytea) is
    'takes up an invitation as who holds its link, once; the space, or null where there is none';

create function assistant.decline_invitation(invitation uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
    delete from assistant.invitations i where i.id = invitation and i.for_account = (select private.uid());
    if found then
        return true;
    end if;
    delete from public.space_collaborators c
    where c.id = invitation and c.user_id = (select private.uid()) and c.accepted_at is null;
    return found;
end $$;
comment on function assistant.decline_invitation(uuid) is 'false: no invitation of this id waits for the caller';
grant delete on public.space_collaborators to goalspace_definer;

create function assistant.my_invitations() returns table (
    id uuid, space_id uuid, title text, role text, invited_by text, invited_at timestamptz, expires_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select c.id, s.id, s.title, c.role, u.full_name, c.invited_at, null::timestamptz
    from public.space_collaborators c
    join public.spaces s on s.id = c.space_id
    join public.users u on u.id = s.user_id
    where c.user_id = (select private.uid()) and c.accepted_at is null
    union all
    select i.id, s.id, s.title, i.role, u.full_name, i.created_at, i.expires_at
    from assistant.invitations i
    join public.spaces s on s.id = i.space_id
    join public.users u on u.id = i.invited_by
    where i.for_account = (select private.uid()) and i.expires_at > now()
$$;
comment on function assistant.my_invitations() is
    'what waits for the caller''s answer, with the name of who invited, else of who owns the space';

alter function assistant.take_invitation(uuid) owner to goalspace_definer;
alter function assistant.take_invitation_link(uuid, bytea) owner to goalspace_definer;
alter function assistant.decline_invitation(uuid) owner to goalspace_definer;
alter function assistant.my_invitations() owner to goalspace_definer;
grant execute on function assistant.take_invitation(uuid), assistant.take_invitation_link(uuid, bytea),
    assistant.decline_invitation(uuid), assistant.my_invitations() to authenticated;
"""

# What is under way for somebody ends with their access (the process that runs it asks for this every other second), and
# what an admin offered ends with their right to offer it.
LEAVING = """
create function private.end_turns() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_table_name = 'spaces' then
        update assistant.runs r set cancel_requested_at = coalesce(r.cancel_requested_at, now())
        where r.space_id = new.id and r.user_id <> new.user_id and r.status = 'running';
    else
        update assistant.runs r set cancel_requested_at = coalesce(r.cancel_requested_at, now())
        where r.space_id = old.space_id and r.user_id = old.user_id and r.status = 'running';
    end if;
    return null;
end $$;
create function private.withdraw_offers() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    delete from assistant.invitations i where i.space_id = old.space_id and i.invited_by = old.user_id;
    return null;
end $$;
alter function private.end_turns() owner to goalspace_definer;
alter function private.withdraw_offers() owner to goalspace_definer;
create trigger end_turns after delete on public.space_collaborators
    for each row when (old.accepted_at is not null) execute function private.end_turns();
create trigger end_turns after update of visibility on public.spaces
    for each row when (new.visibility = 'private' and old.visibility <> 'private') execute function private.end_turns();
create trigger withdraw_offers after delete on public.space_collaborators
    for each row when (old.role = 'admin') execute function private.withdraw_offers();
create trigger withdraw_offers_of_former_admin after update of role on public.space_collaborators
    for each row when (old.role = 'admin' and new.role <> 'admin') execute function private.withdraw_offers();
"""

OUTBOX = """
create table assistant.outbox (
    id uuid primary key default gen_random_uuid(),
    kind text not null check (kind in ('invitation', 'due_tasks')),
    user_id uuid references public.users(id) on delete cascade,
    invitation_id uuid references assistant.invitations(id) on delete cascade,
    collaborator_id uuid references public.space_collaborators(id) on delete cascade,
    day date,
    due_at timestamptz not null default now(),
    attempts integer not null default 0,
    sent_at timestamptz,
    failed_at timestamptz,
    error text check (length(error) <= 200),
    created_at timestamptz not null default now(),
    constraint outbox_cause check (
        case kind when 'invitation' then num_nonnulls(invitation_id, collaborator_id) = 1 and day is null
                  else user_id is not null and day is not null and num_nonnulls(invitation_id, collaborator_id) = 0 end),
    constraint outbox_ended_once check (sent_at is null or failed_at is null)
);
comment on table assistant.outbox is
    'messages to people, written with their cause: whom and what about, never what they say. What is no longer wanted goes with its cause';
comment on column assistant.outbox.error is 'what stood in the way last: a kind of fault and a code, no address and no text';
create index idx_outbox_user_id on assistant.outbox (user_id);
create index idx_outbox_invitation_id on assistant.outbox (invitation_id);
create index idx_outbox_collaborator_id on assistant.outbox (collaborator_id);
create index idx_outbox_due_at on assistant.outbox (due_at) where sent_at is null and failed_at is null;
create unique index outbox_one_digest_a_day on assistant.outbox (user_id, day) where kind = 'due_tasks';
alter table assistant.outbox enable row level security;
alter table assistant.outbox force row level security;
grant select, insert, update, delete on assistant.outbox to service_role;
grant insert on assistant.outbox to goalspace_definer;

create function private.announce_invitation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_table_name = 'invitations' then
        insert into assistant.outbox (kind, user_id, invitation_id) values ('invitation', new.for_account, new.id);
    else
        insert into assistant.outbox (kind, user_id, collaborator_id) values ('invitation', new.user_id, new.id);
    end if;
    return null;
end $$;
alter function private.announce_invitation() owner to goalspace_definer;
create trigger announce_invitation after insert on assistant.invitations
    for each row execute function private.announce_invitation();
create trigger announce_invitation after insert on public.space_collaborators
    for each row when (new.accepted_at is null) execute function private.announce_invitation();

create function assistant.local_time(settings jsonb, moment timestamptz) returns timestamp
language plpgsql stable set search_path = '' as $$
begin
    return moment at time zone
        case when jsonb_typeof(settings -> 'time_zone') = 'string' then settings ->> 'time_zone' else 'UTC' end;
exception when others then
    return moment at time zone 'UTC';
end $$;
comment on function assistant.local_time(jsonb, timestamptz) is
    'on the wall of the person with these notification settings; a zone that is none is UTC';
grant execute on function assistant.local_time(jsonb, timestamptz) to authenticated, service_role;
"""

# A reply is placed where its parent is, before the row is written: a parent that comes later, or is the reply itself,
# is not there yet. Since it never moves, there are no circles.
REPLIES = """
alter table public.comments add column depth smallint not null default 0
    constraint comments_depth check (depth between 0 and 8);
comment on column public.comments.depth is 'additive: 0 for a comment, 1 for a reply to it, and so on; found by a trigger';
create function private.place_reply() returns trigger language plpgsql set search_path = '' as $$
begin
    if tg_op = 'UPDATE' then
        raise exception 'a comment stays where it was made' using errcode = '42501';
    end if;
    new.depth := (select p.depth + 1 from public.comments p where p.id = new.parent_id);
    if new.depth is null then
        raise exception 'there is no such comment' using errcode = '23503';
    end if;
    return new;
end $$;
create trigger place_reply before insert on public.comments
    for each row when (new.parent_id is not null) execute function private.place_reply();
create trigger keep_reply before update of parent_id on public.comments
    for each row when (new.parent_id is distinct from old.parent_id) execute function private.place_reply();
"""

BLOG = """
grant insert (published_at), update (published_at) on public.blog_posts to authenticated;
drop trigger date_publication on public.blog_posts;
create trigger date_publication before insert or update of published, published_at on public.blog_posts
    for each row when (new.published) execute function private.date_publication();

grant select on public.blog_posts to goalspace_definer;
create function public.blog_authors(authors uuid[]) returns table (id uuid, full_name text, avatar_url text)
language sql stable security definer set search_path = '' as $$
    select u.id, u.full_name, u.avatar_url from public.users u
    where u.id = any (authors[1:100])
      and (u.id = (select private.uid())
           or exists (select from public.blog_posts p
                      where p.author_id = u.id and p.published and p.published_at <= now()))
$$;
comment on function public.blog_authors(uuid[]) is
    'name and picture of those who have published something; at most a hundred at a time';
alter function public.blog_authors(uuid[]) owner to goalspace_definer;
revoke execute on function public.blog_authors(uuid[]) from public;
grant execute on function public.blog_authors(uuid[]) to anon, authenticated;
"""

# Where an identity provider knows people, a token that was issued before somebody left would take them in again.
DEPARTURES = """
create table assistant.departures (
    person bytea primary key check (octet_length(person) = 32),
    left_at timestamptz not null default now()
);
comment on table assistant.departures is
    'who deleted their account, as the SHA-256 of their id: tokens issued before that let nobody in';
create index idx_departures_left_at on assistant.departures (left_at);
alter table assistant.departures enable row level security;
alter table assistant.departures force row level security;
grant select, insert, update, delete on assistant.departures to service_role;
"""

DOWN = """
drop table assistant.departures;
drop function public.blog_authors(uuid[]);
revoke select on public.blog_posts from goalspace_definer;
drop trigger date_publication on public.blog_posts;
create trigger date_publication before insert or update of published on public.blog_posts
    for each row when (new.published) execute function private.date_publication();
revoke insert (published_at), update (published_at) on public.blog_posts from authenticated;

drop trigger keep_reply on public.comments;
drop trigger place_reply on public.comments;
drop function private.place_reply();
alter table public.comments drop column depth;

drop trigger announce_invitation on public.space_collaborators;
drop trigger end_turns on public.space_collaborators;
drop trigger end_turns on public.spaces;
drop trigger withdraw_offers on public.space_collaborators;
drop trigger withdraw_offers_of_former_admin on public.space_collaborators;
drop function private.end_turns(), private.withdraw_offers();
drop table assistant.outbox;

create or replace function public.accept_invitation(space uuid) returns boolean
language sql volatile security definer set search_path = '' as $$
    with accepted as (
        update public.space_collaborators c set accepted_at = now()
        where c.space_id = space and c.user_id = (select private.uid()) and c.accepted_at is null
        returning 1)
    select exists (select 1 from accepted)
$$;
drop function assistant.take_invitation(uuid), assistant.take_invitation_link(uuid, bytea),
    assistant.decline_invitation(uuid), assistant.my_invitations(), private.take_up(uuid, uuid);
revoke insert (space_id, user_id, role, accepted_at), update (role), delete on public.space_collaborators
    from goalspace_definer;
drop table assistant.invitations;
drop function private.announce_invitation(), private.find_invited(), assistant.local_time(jsonb, timestamptz);
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (INVITATIONS, ACCEPTING, LEAVING, OUTBOX, REPLIES, BLOG, DEPARTURES):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
