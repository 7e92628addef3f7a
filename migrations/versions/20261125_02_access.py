"""Requests that are sent twice, keys of programs, counted attempts, and what lists are sorted by."""

from alembic import op

revision = "20261125_02"
down_revision = "20261125_01"
branch_labels = None
depends_on = None

ANSWERS = """
create table assistant.stored_answers (
    user_id uuid not null references public.users(id) on delete cascade,
    request bytea not null,
    body_hash bytea not null,
    status smallint not null,
    answer bytea not null,
    etag text,
    created_at timestamptz not null default now(),
    primary key (user_id, request),
    constraint stored_answers_values check (
        octet_length(request) = 32 and octet_length(body_hash) = 32 and status between 200 and 299
        and octet_length(answer) <= 33554432 and length(etag) <= 100)
);
comment on table assistant.stored_answers is 'answers to requests with an Idempotency-Key, for 24 hours';
comment on column assistant.stored_answers.request is 'SHA-256 of method, path and key';
create index idx_stored_answers_created_at on assistant.stored_answers (created_at);
alter table assistant.stored_answers enable row level security;
alter table assistant.stored_answers force row level security;
create policy stored_answers_select on assistant.stored_answers for select to authenticated
    using (user_id = (select auth.uid()));
create policy stored_answers_insert on assistant.stored_answers for insert to authenticated
    with check (user_id = (select auth.uid()));
create policy stored_answers_delete on assistant.stored_answers for delete to authenticated
    using (user_id = (select auth.uid()));
grant select, delete on assistant.stored_answers to authenticated;
grant insert (user_id, request, body_hash, status, answer, etag) on assistant.stored_answers to authenticated;
grant select, delete on assistant.stored_answers to service_role;
"""

KEYS = """
create table assistant.api_keys (
    id uuid primary key default uuid_generate_v4(),
    user_id uuid not null references public.users(id) on delete cascade,
    name text not null,
    prefix text not null,
    key_hash bytea not null,
    scopes text[] not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null default now(),
    constraint api_keys_prefix_key unique (prefix),
    constraint api_keys_values check (
        length(name) between 1 and 100 and length(prefix) = 12 and octet_length(key_hash) = 32
        and cardinality(scopes) between 1 and 3 and scopes <@ array['read', 'write', 'chat'])
);
comment on table assistant.api_keys is 'keys with which programs act as their users';
comment on column assistant.api_keys.prefix is 'how the key begins: its name in lists, and what it is found by';
comment on column assistant.api_keys.key_hash is 'SHA-256 of the whole key, which is stored nowhere';
create index idx_api_keys_user_created_at on assistant.api_keys (user_id, created_at, id);
alter table assistant.api_keys enable row level security;
alter table assistant.api_keys force row level security;
create policy api_keys_select on assistant.api_keys for select to authenticated
    using (user_id = (select auth.uid()));
create policy api_keys_insert on assistant.api_keys for insert to authenticated
    with check (user_id = (select auth.uid()));
create policy api_keys_delete on assistant.api_keys for delete to authenticated
    using (user_id = (select auth.uid()));
grant select (id, user_id, name, prefix, scopes, expires_at, last_used_at, created_at)
    on assistant.api_keys to authenticated;
grant insert (user_id, name, prefix, key_hash, scopes, expires_at) on assistant.api_keys to authenticated;
grant delete on assistant.api_keys to authenticated;
grant select, update (last_used_at), delete on assistant.api_keys to service_role;
"""

LIMITS = """
create unlogged table assistant.rate_limits (
    bucket bytea primary key check (octet_length(bucket) = 32),
    full_at timestamptz not null
) with (fillfactor = 50);
comment on table assistant.rate_limits is 'buckets of tokens, shared by all processes; a crash of the server fills them';
comment on column assistant.rate_limits.bucket is 'SHA-256 of whose and what for: addresses are not stored';
create index idx_rate_limits_full_at on assistant.rate_limits (full_at);
alter table assistant.rate_limits enable row level security;
alter table assistant.rate_limits force row level security;
grant select, insert, update, delete on assistant.rate_limits to service_role;

create function assistant.take_token(name text, burst integer, step double precision) returns double precision
language plpgsql volatile set search_path = '' as $$
declare
    id constant bytea := sha256(convert_to(name, 'UTF8'));
    now_ constant timestamptz := clock_timestamp();
    one constant interval := make_interval(secs => step);
    all_ constant interval := make_interval(secs => step * burst);
    full_ timestamptz;
begin
    insert into assistant.rate_limits as r (bucket, full_at) values (id, now_ + one)
    on conflict (bucket) do update set full_at = greatest(least(r.full_at, now_ + all_), now_) + one
        where greatest(least(r.full_at, now_ + all_), now_) + one <= now_ + all_;
    if found then
        return 0;
    end if;
    select r.full_at into full_ from assistant.rate_limits r where r.bucket = id;
    return greatest(extract(epoch from least(full_, now_ + all_) + one - now_ - all_), 0.001);
end $$;
comment on function assistant.take_token(text, integer, double precision) is
    'takes a token from a bucket that holds `burst` and gets one every `step` seconds: 0, or how many seconds to wait';
grant execute on function assistant.take_token(text, integer, double precision) to service_role;
"""

DOWN = """
drop function assistant.take_token(text, integer, double precision);
drop table assistant.rate_limits;
drop table assistant.api_keys;
drop table assistant.stored_answers;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (ANSWERS, KEYS, LIMITS):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
