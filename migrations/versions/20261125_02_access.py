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

DOWN = """
drop table assistant.stored_answers;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for part in (ANSWERS,):
        run(part)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
