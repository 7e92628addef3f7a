-- The schema of the database design as it was written down, on a database without anything of ours: no additional
-- columns, times that may be missing, only what the design says. For trying as_designed.toml.

create extension vector;
create schema auth;
create table auth.users (id uuid primary key, email text);
create function uuid_generate_v4() returns uuid language sql volatile as 'select gen_random_uuid()';

create table public.users (
    id uuid primary key references auth.users, email text unique not null, full_name text, avatar_url text,
    created_at timestamptz default now(), updated_at timestamptz default now(), last_active_at timestamptz);
create table public.subscriptions (
    id uuid primary key default uuid_generate_v4(), user_id uuid not null references public.users on delete cascade,
    tier text not null, status text not null, starts_at timestamptz not null, ends_at timestamptz,
    payment_provider text, payment_reference text,
    created_at timestamptz default now(), updated_at timestamptz default now());
create table public.user_preferences (
    user_id uuid primary key references public.users on delete cascade, theme text default 'system',
    language text default 'en', ai_model text default 'claude-3-haiku',
    notification_settings jsonb default '{"email": true, "push": true}',
    created_at timestamptz default now(), updated_at timestamptz default now());
create table public.usage_logs (
    id uuid primary key default uuid_generate_v4(), user_id uuid not null references public.users on delete cascade,
    resource_type text not null, resource_id uuid, action text not null, tokens_used integer,
    created_at timestamptz default now());
create table public.goals (
    id uuid primary key default uuid_generate_v4(), user_id uuid not null references public.users on delete cascade,
    title text not null, description text, category text, status text not null default 'active',
    priority integer default 0, due_date timestamptz,
    created_at timestamptz default now(), updated_at timestamptz default now(), unique (user_id, title));
create table public.spaces (
    id uuid primary key default uuid_generate_v4(), goal_id uuid not null references public.goals on delete cascade,
    user_id uuid not null references public.users on delete cascade, title text not null, description text,
    theme text default 'default', color_scheme text default 'blue', visibility text not null default 'private',
    ai_mentor_config jsonb default '{"type": "default", "personality": "helpful", "expertise": []}',
    created_at timestamptz default now(), updated_at timestamptz default now(), unique (goal_id, title));
create table public.modules (
    id uuid primary key default uuid_generate_v4(), space_id uuid not null references public.spaces on delete cascade,
    title text not null, description text, content_type text not null, content text,
    order_index integer not null default 0, estimated_duration integer,
    created_at timestamptz default now(), updated_at timestamptz default now());
create table public.tasks (
    id uuid primary key default uuid_generate_v4(), space_id uuid not null references public.spaces on delete cascade,
    module_id uuid references public.modules on delete set null, title text not null, description text,
    status text not null default 'pending', due_date timestamptz, priority text default 'medium',
    created_at timestamptz default now(), updated_at timestamptz default now());
create table public.documents (
    id uuid primary key default uuid_generate_v4(), space_id uuid not null references public.spaces on delete cascade,
    title text not null, content text not null, content_type text default 'markdown',
    created_at timestamptz default now(), updated_at timestamptz default now());
create table public.document_embeddings (
    id uuid primary key default uuid_generate_v4(),
    document_id uuid not null references public.documents on delete cascade, chunk_index integer not null,
    chunk_text text not null, embedding vector(1536) not null, created_at timestamptz default now(),
    unique (document_id, chunk_index));
create table public.chat_messages (
    id uuid primary key default uuid_generate_v4(), space_id uuid not null references public.spaces on delete cascade,
    user_id uuid not null references public.users on delete cascade, is_from_user boolean not null default true,
    message text not null, metadata jsonb, created_at timestamptz default now());
create table public.blog_posts (
    id uuid primary key default uuid_generate_v4(), author_id uuid references public.users on delete set null,
    title text not null, slug text not null unique, content text not null, excerpt text, published boolean default false,
    published_at timestamptz, created_at timestamptz default now(), updated_at timestamptz default now());
create table public.module_progress (
    id uuid primary key default uuid_generate_v4(), module_id uuid not null references public.modules on delete cascade,
    user_id uuid not null references public.users on delete cascade, completion_percentage integer not null default 0,
    last_interaction_at timestamptz, completed_at timestamptz,
    created_at timestamptz default now(), updated_at timestamptz default now(), unique (module_id, user_id));
create table public.space_collaborators (
    id uuid primary key default uuid_generate_v4(), space_id uuid not null references public.spaces on delete cascade,
    user_id uuid not null references public.users on delete cascade, role text not null default 'viewer',
    invited_at timestamptz default now(), accepted_at timestamptz,
    created_at timestamptz default now(), updated_at timestamptz default now(), unique (space_id, user_id));
create table public.comments (
    id uuid primary key default uuid_generate_v4(), user_id uuid not null references public.users on delete cascade,
    resource_type text not null, resource_id uuid not null, content text not null,
    parent_id uuid references public.comments on delete cascade,
    created_at timestamptz default now(), updated_at timestamptz default now());

-- Some rows.
insert into auth.users select gen_random_uuid(), name || '@example.org' from unnest(array['ada', 'bob']) name;
insert into users (id, email, full_name, created_at) select id, email, initcap(split_part(email, '@', 1)), null from auth.users;
insert into subscriptions (user_id, tier, status, starts_at) select id, 'pro', 'active', '2026-01-01' from users;
insert into user_preferences (user_id, theme) select id, 'dark' from users;
insert into goals (user_id, title, created_at) select id, 'Learn to sail', '2025-05-05' from users;
insert into spaces (goal_id, user_id, title, visibility) select id, user_id, 'Sailing', 'shared' from goals;
insert into space_collaborators (space_id, user_id, role, accepted_at)
select s.id, u.id, 'editor', '2026-02-02' from spaces s join users u on u.id <> s.user_id;
insert into modules (space_id, title, content_type) select id, 'Knots', 'text' from spaces;
insert into module_progress (module_id, user_id, completion_percentage, completed_at)
select m.id, s.user_id, 100, '2026-03-03' from modules m join spaces s on s.id = m.space_id;
insert into tasks (space_id, module_id, title) select space_id, id, 'Tie one' from modules;
insert into documents (space_id, title, content) select id, 'Knots', 'The bowline makes a loop.' from spaces;
insert into document_embeddings (document_id, chunk_index, chunk_text, embedding)
select id, 0, content, array_fill(0.5, array[1536])::vector from documents;
insert into chat_messages (space_id, user_id, message, created_at) select id, user_id, 'Why?', '2026-04-04' from spaces;
insert into usage_logs (user_id, resource_type, action, tokens_used) select id, 'chat', 'turn', 12 from users;
insert into comments (user_id, resource_type, resource_id, content, created_at)
select user_id, 'module', m.id, 'Good.', '2026-05-05' from modules m join spaces s on s.id = m.space_id;
insert into comments (user_id, resource_type, resource_id, content, parent_id)
select user_id, resource_type, resource_id, 'Thanks.', id from comments;
insert into blog_posts (author_id, title, slug, content, published, published_at)
select id, 'Hello', 'hello-' || split_part(email, '@', 1), 'Hello.', true, '2026-06-06' from users;
insert into blog_posts (title, slug, content, published) values ('Draft', 'draft', '…', null);
