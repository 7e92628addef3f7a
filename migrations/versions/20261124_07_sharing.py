"""Comments and blog posts."""

from alembic import op

revision = "20261124_07"
down_revision = "20261124_06"
branch_labels = None
depends_on = None

COMMENTS = """
create table public.comments (
    id uuid primary key default uuid_generate_v4(),
    user_id uuid not null references public.users(id) on delete cascade,
    resource_type text not null check (resource_type in ('module', 'document', 'task')),
    resource_id uuid not null,
    content text not null,
    parent_id uuid references public.comments(id) on delete cascade,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    space_id uuid references public.spaces(id) on delete cascade,
    constraint comments_tenant_key unique (id, resource_type, resource_id),
    constraint comments_parent_on_same_resource foreign key (parent_id, resource_type, resource_id)
        references public.comments (id, resource_type, resource_id) on delete cascade,
    constraint comments_content_length check (length(content) between 1 and 10000)
);
comment on column public.comments.space_id is 'additive: the resource''s, found by a trigger; what the policies ask';
create index idx_comments_user_id on public.comments (user_id);
create index idx_comments_parent_id on public.comments (parent_id, resource_type, resource_id);
create index idx_comments_space_id on public.comments (space_id);
create index idx_comments_resource on public.comments (resource_type, resource_id, created_at, id);
alter table public.comments enable row level security;
alter table public.comments force row level security;
create trigger touch_updated_at before update on public.comments
    for each row execute function private.touch_updated_at();

-- As the caller: what they may not see is not there for them either, and both read the same.
create function private.place_comment() returns trigger language plpgsql set search_path = '' as $$
begin
    new.space_id := case new.resource_type
        when 'module' then (select m.space_id from public.modules m where m.id = new.resource_id)
        when 'document' then (select d.space_id from public.documents d where d.id = new.resource_id)
        when 'task' then (select t.space_id from public.tasks t where t.id = new.resource_id) end;
    if new.space_id is null and new.resource_type in ('module', 'document', 'task') then
        raise exception 'there is no such resource' using errcode = '23503';
    end if;
    return new;
end $$;
create trigger place_comment before insert or update of resource_type, resource_id on public.comments
    for each row execute function private.place_comment();

create policy comments_select on public.comments for select to anon, authenticated
    using (space_id in (select member from private.member_spaces('viewer') as member)
        or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public'));
create policy comments_insert on public.comments for insert to authenticated
    with check (user_id = (select auth.uid()) and space_id = any (array(select private.member_spaces('viewer'))));
create policy comments_update on public.comments for update to authenticated
    using (user_id = (select auth.uid()) and space_id = any (array(select private.member_spaces('viewer'))))
    with check (user_id = (select auth.uid()) and space_id = any (array(select private.member_spaces('viewer'))));
create policy comments_delete on public.comments for delete to authenticated
    using ((user_id = (select auth.uid()) and space_id = any (array(select private.member_spaces('viewer'))))
           or space_id = any (array(select private.member_spaces('admin'))));
grant select on public.comments to anon, authenticated;
grant delete on public.comments to authenticated;
grant insert (id, user_id, resource_type, resource_id, content, parent_id) on public.comments to authenticated;
grant update (content) on public.comments to authenticated;
grant select, insert, update, delete on public.comments to service_role;
"""

# Whoever deletes a resource deletes what was said about it, also by others: no foreign key can say so.
CLEANUP = """
grant select, delete on public.comments to goalspace_definer;
create function private.forget_comments() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    delete from public.comments c using gone g where c.resource_type = tg_argv[0] and c.resource_id = g.id;
    return null;
end $$;
alter function private.forget_comments() owner to goalspace_definer;
create trigger forget_comments after delete on public.modules
    referencing old table as gone for each statement execute function private.forget_comments('module');
create trigger forget_comments after delete on public.documents
    referencing old table as gone for each statement execute function private.forget_comments('document');
create trigger forget_comments after delete on public.tasks
    referencing old table as gone for each statement execute function private.forget_comments('task');
"""

BLOG = """
create table public.blog_posts (
    id uuid primary key default uuid_generate_v4(),
    author_id uuid references public.users(id) on delete set null,
    title text not null,
    slug text not null unique,
    content text not null,
    excerpt text,
    published boolean not null default false,
    published_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint blog_posts_lengths check (
        length(title) between 1 and 300 and length(slug) between 1 and 200
        and length(content) <= 2000000 and length(excerpt) <= 2000),
    constraint blog_posts_published_at check (published_at between '1900-01-01 00:00+00' and '3000-01-01 00:00+00')
);
create index idx_blog_posts_author_id on public.blog_posts (author_id);
create index idx_blog_posts_published_at on public.blog_posts (published_at, id) where published;
alter table public.blog_posts enable row level security;
alter table public.blog_posts force row level security;
create trigger touch_updated_at before update on public.blog_posts
    for each row execute function private.touch_updated_at();

create function private.date_publication() returns trigger language plpgsql set search_path = '' as $$
begin
    new.published_at := coalesce(new.published_at, now());
    return new;
end $$;
create trigger date_publication before insert or update of published on public.blog_posts
    for each row when (new.published) execute function private.date_publication();

create policy blog_posts_select on public.blog_posts for select to anon, authenticated
    using (author_id = (select auth.uid()) or (published and published_at <= now()));
create policy blog_posts_insert on public.blog_posts for insert to authenticated
    with check (author_id = (select auth.uid()));
create policy blog_posts_update on public.blog_posts for update to authenticated
    using (author_id = (select auth.uid())) with check (author_id = (select auth.uid()));
create policy blog_posts_delete on public.blog_posts for delete to authenticated
    using (author_id = (select auth.uid()));
grant select on public.blog_posts to anon, authenticated;
grant delete on public.blog_posts to authenticated;
grant insert (id, author_id, title, slug, content, excerpt, published) on public.blog_posts to authenticated;
grant update (title, slug, content, excerpt, published) on public.blog_posts to authenticated;
grant select, insert, update, delete on public.blog_posts to service_role;
"""

DOWN = """
drop trigger forget_comments on public.modules;
drop trigger forget_comments on public.documents;
drop trigger forget_comments on public.tasks;
drop table public.blog_posts, public.comments;
drop function private.date_publication(), private.forget_comments(), private.place_comment();
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (COMMENTS, CLEANUP, BLOG):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
