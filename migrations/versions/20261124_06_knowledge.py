"""Documents, their chunks with vectors, the lexical index, and the state of indexing."""

from alembic import op
from sqlalchemy import text

revision = "20261124_06"
down_revision = "20261124_05"
branch_labels = None
depends_on = None

READABLE = """(space_id in (select member from private.member_spaces('viewer') as member)
           or exists (select from public.spaces s where s.id = space_id and s.visibility = 'public'))"""

DOCUMENTS = f"""
create table public.documents (
    id uuid primary key default uuid_generate_v4(),
    space_id uuid not null references public.spaces(id) on delete cascade,
    title text not null,
    content text not null,
    content_type text default 'markdown',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    created_by uuid default auth.uid() references public.users(id) on delete set null,
    source text,
    content_format text,
    constraint documents_tenant_key unique (id, space_id),
    constraint documents_lengths check (
        length(title) between 1 and 300 and length(content) <= 2000000
        and length(content_type) <= 100 and length(content_format) <= 100 and length(source) between 1 and 2000)
);
comment on column public.documents.created_by is
    'additive: who wrote all of the text; null where that is nobody in particular, or several';
comment on column public.documents.source is 'additive: the file or address that it came from';
comment on column public.documents.content_format is
    'additive: what `content` is written in, where that is not what was posted (content_type)';
create index idx_documents_space_id on public.documents (space_id);
create index idx_documents_space_created_at on public.documents (space_id, created_at, id);
create index idx_documents_created_by on public.documents (created_by);
create unique index documents_space_source_key on public.documents (space_id, source) where source is not null;
alter table public.documents enable row level security;
alter table public.documents force row level security;
create trigger touch_updated_at before update on public.documents
    for each row execute function private.touch_updated_at();

create policy documents_select on public.documents for select to anon, authenticated using {READABLE};
create policy documents_insert on public.documents for insert to authenticated
    with check (space_id = any (array(select private.member_spaces('editor'))));
create policy documents_update on public.documents for update to authenticated
    using (space_id = any (array(select private.member_spaces('editor'))))
    with check (space_id = any (array(select private.member_spaces('editor'))));
create policy documents_delete on public.documents for delete to authenticated
    using (space_id = any (array(select private.member_spaces('editor'))));
grant select on public.documents to anon, authenticated;
grant delete on public.documents to authenticated;
grant insert (id, space_id, title, content, content_type, content_format, source) on public.documents to authenticated;
grant update (title, content, content_type, content_format, source) on public.documents to authenticated;
grant select, insert, update, delete on public.documents to service_role;

create function private.keep_author_true() returns trigger language plpgsql set search_path = '' as $$
begin
    if old.created_by is distinct from auth.uid() then
        new.created_by := null;
    end if;
    return new;
end $$;
comment on function private.keep_author_true() is 'who edits another''s text makes it nobody''s own';
create trigger keep_author_true before update of title, content on public.documents
    for each row when (current_user = 'authenticated'
                       and (old.title, old.content) is distinct from (new.title, new.content))
    execute function private.keep_author_true();

create function private.know_no_author() returns trigger language plpgsql set search_path = '' as $$
begin
    new.created_by := null;
    return new;
end $$;
comment on function private.know_no_author() is 'what was fetched was written by nobody here, whoever asked for it';
create trigger know_no_author before insert on public.documents
    for each row when (current_user = 'authenticated' and new.source ~* '^https?://')
    execute function private.know_no_author();
"""

CHUNKS = f"""
create table public.document_embeddings (
    id uuid primary key default uuid_generate_v4(),
    document_id uuid not null references public.documents(id) on delete cascade,
    chunk_index integer not null,
    chunk_text text not null,
    embedding vector(1536) not null,
    created_at timestamptz not null default now(),
    space_id uuid,
    heading text,
    page integer,
    start_offset integer,
    end_offset integer,
    language text,
    length integer,
    model text,
    search_vector halfvec,
    input_hash bytea,
    unique (document_id, chunk_index),
    constraint document_embeddings_tenant_key unique (id, space_id),
    constraint document_embeddings_document_of_same_space foreign key (document_id, space_id)
        references public.documents (id, space_id) on delete cascade,
    constraint document_embeddings_offsets check (start_offset >= 0 and end_offset > start_offset),
    constraint document_embeddings_length check (length >= 0),
    constraint document_embeddings_direction check (vector_norm(embedding) > 0 and l2_norm(search_vector) > 0)
);
comment on column public.document_embeddings.start_offset is
    'additive: code points of documents.content; chunk_text is the text from here to end_offset';
comment on column public.document_embeddings.heading is 'additive: the headings above the chunk, outermost first, joined by " › "';
comment on column public.document_embeddings.length is 'additive: number of words that the lexical index counts';
comment on column public.document_embeddings.model is 'additive: whose vectors these are; a search compares those of one model';
comment on column public.document_embeddings.search_vector is
    'additive: the vector in the model''s own width and half precision, which is what a search reads';
comment on column public.document_embeddings.input_hash is 'additive: sha256 of what was embedded: the same again needs no embedder';
-- A search reads every row of a space up to a certain size: its vectors lie in the row, long things that it does not
-- compare lie elsewhere (measured: three times as fast as with the text in the row), short ones stay.
alter table public.document_embeddings alter column search_vector set storage plain;
alter table public.document_embeddings alter column embedding set storage external;
alter table public.document_embeddings alter column heading set storage main;
alter table public.document_embeddings alter column language set storage main;
alter table public.document_embeddings alter column model set storage main;
alter table public.document_embeddings alter column input_hash set storage main;
alter table public.document_embeddings set (toast_tuple_target = 1100);
create index idx_document_embeddings_space on public.document_embeddings (space_id, document_id);
alter table public.document_embeddings enable row level security;
alter table public.document_embeddings force row level security;
create policy document_embeddings_select on public.document_embeddings for select to anon, authenticated using {READABLE};
grant select on public.document_embeddings to anon, authenticated;
grant select, insert, update, delete on public.document_embeddings to service_role;
grant select on public.documents, public.document_embeddings to goalspace_definer;

create function private.fill_space_of_chunk() returns trigger language plpgsql set search_path = '' as $$
begin
    new.space_id := (select d.space_id from public.documents d where d.id = new.document_id);
    return new;
end $$;
create trigger fill_space_of_chunk before insert on public.document_embeddings
    for each row when (new.space_id is null) execute function private.fill_space_of_chunk();
"""

# An index needs a fixed width. These are the widths of nearly all models; others are compared without an index.
WIDTHS = {384: "", 512: "_512", 768: "_768", 1024: "_1024", 1536: "_1536"}

VECTOR_INDEX = """
create index idx_document_embeddings_vector{suffix} on public.document_embeddings
    using hnsw ((search_vector::halfvec({width})) halfvec_ip_ops) with (m = 24, ef_construction = 128)
    where vector_dims(search_vector) = {width};
"""

LEXICAL = f"""
create table assistant.postings (
    space_id uuid not null,
    lexeme text collate "C" not null,
    chunk_id uuid not null,
    tf integer not null check (tf > 0),
    length integer not null check (length > 0),
    primary key (space_id, lexeme, chunk_id) include (tf, length),
    constraint postings_chunk_of_same_space foreign key (chunk_id, space_id)
        references public.document_embeddings (id, space_id) on delete cascade
);
comment on table assistant.postings is 'which words stand in which chunk, how often, and how long the chunk is: what BM25 sums';
create index idx_postings_chunk on assistant.postings (chunk_id, space_id);
alter table assistant.postings enable row level security;
alter table assistant.postings force row level security;
create policy postings_select on assistant.postings for select to anon, authenticated using {READABLE};

create table assistant.space_statistics (
    space_id uuid primary key references public.spaces(id) on delete cascade,
    chunks integer not null default 0,
    worded_chunks integer not null default 0,
    words bigint not null default 0
);
comment on table assistant.space_statistics is 'number of chunks and their words: of one space, so that no other one shows in a ranking';
comment on column assistant.space_statistics.worded_chunks is
    'those whose lexemes are whole words (English, or it may be): how rare a word is shows among them alone';
alter table assistant.space_statistics enable row level security;
alter table assistant.space_statistics force row level security;
create policy space_statistics_select on assistant.space_statistics for select to anon, authenticated using {READABLE};

grant usage on schema assistant to anon;
grant select on assistant.postings, assistant.space_statistics to anon, authenticated;
grant select, insert, update, delete on assistant.postings, assistant.space_statistics to service_role;
grant select, insert, update on assistant.space_statistics to goalspace_definer;

create function private.count_new_chunks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into assistant.space_statistics as s (space_id, chunks, worded_chunks, words)
    select n.space_id, count(*), count(*) filter (where n.language in ('en', 'und')), coalesce(sum(n.length), 0)
    from new_chunks n group by n.space_id
    on conflict (space_id) do update set chunks = s.chunks + excluded.chunks,
        worded_chunks = s.worded_chunks + excluded.worded_chunks, words = s.words + excluded.words;
    return null;
end $$;
create function private.count_gone_chunks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update assistant.space_statistics s
    set chunks = s.chunks - g.chunks, worded_chunks = s.worded_chunks - g.worded_chunks, words = s.words - g.words
    from (select space_id, count(*) as chunks, count(*) filter (where language in ('en', 'und')) as worded_chunks,
                 coalesce(sum(length), 0) as words
          from gone_chunks group by space_id) g
    where s.space_id = g.space_id;
    return null;
end $$;
alter function private.count_new_chunks() owner to goalspace_definer;
alter function private.count_gone_chunks() owner to goalspace_definer;
create trigger count_new_chunks after insert on public.document_embeddings
    referencing new table as new_chunks for each statement execute function private.count_new_chunks();
create trigger count_gone_chunks after delete on public.document_embeddings
    referencing old table as gone_chunks for each statement execute function private.count_gone_chunks();
"""

INDEXING = f"""
create table assistant.document_indexing (
    document_id uuid primary key,
    space_id uuid not null,
    status text not null default 'queued' check (status in ('queued', 'processing', 'ready', 'failed', 'quarantined')),
    error text,
    version bigint not null default 1,
    content_hash text,
    model text,
    chunks integer not null default 0,
    attempts integer not null default 0,
    deaths integer not null default 0,
    found_everywhere boolean not null default false,
    queued_at timestamptz not null default now(),
    next_try_at timestamptz,
    updated_at timestamptz not null default now(),
    constraint document_indexing_document_of_same_space foreign key (document_id, space_id)
        references public.documents (id, space_id) on delete cascade
);
comment on column assistant.document_indexing.version is 'counts the changes of the document: an indexer stores nothing of an older one';
comment on column assistant.document_indexing.deaths is 'how often a worker ended in the middle of it: twice is enough';
comment on column assistant.document_indexing.found_everywhere is 'it is shown in most conversations, whatever they are about';
comment on column assistant.document_indexing.content_hash is 'of what the stored chunks were made from';
create index idx_document_indexing_space on assistant.document_indexing (space_id, document_id);
create index idx_document_indexing_waiting on assistant.document_indexing (space_id, queued_at)
    where status in ('queued', 'processing');
alter table assistant.document_indexing enable row level security;
alter table assistant.document_indexing force row level security;
create trigger touch_updated_at before update on assistant.document_indexing
    for each row execute function private.touch_updated_at();
create policy document_indexing_select on assistant.document_indexing for select to anon, authenticated using {READABLE};
grant select on assistant.document_indexing to anon, authenticated;
grant select, insert, update, delete on assistant.document_indexing to service_role;
grant select, insert, update on assistant.document_indexing to goalspace_definer;

-- Vectors on their way: kept when a worker ends before the chunks are stored, so that nothing is embedded twice.
-- Lost with a crash of the database, which costs embedding them again.
create unlogged table assistant.fresh_vectors (
    document_id uuid not null references public.documents(id) on delete cascade,
    model text not null,
    input_hash bytea not null,
    vector vector not null,
    primary key (document_id, model, input_hash)
);
alter table assistant.fresh_vectors enable row level security;
alter table assistant.fresh_vectors force row level security;
grant select, insert, update, delete on assistant.fresh_vectors to service_role;

-- One waiting job for each space that has documents to index, made in the transaction of their rows whoever writes
-- them: it exists exactly if they do. It is made as the last thing before the commit, since one that waits already is
-- locked: a worker that ran it before the commit would not see the documents.
create function private.enqueue_indexing(space uuid, due timestamptz default null) returns void
language plpgsql security definer set search_path = '' as $$
begin
    insert into jobs.procrastinate_jobs as j (queue_name, task_name, lock, queueing_lock, args, scheduled_at)
    values ('documents', 'index_space', space::text, 'index_space:' || space, jsonb_build_object('space_id', space), due)
    on conflict (queueing_lock) where status = 'todo' do update
        set scheduled_at = case when due is null then null else least(j.scheduled_at, due) end
        where j.scheduled_at is not null;
end $$;
alter function private.enqueue_indexing(uuid, timestamptz) owner to goalspace_definer;

create function private.queue_document() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into assistant.document_indexing as i (document_id, space_id) values (new.id, new.space_id)
    on conflict (document_id) do update set status = 'queued', error = null, attempts = 0, deaths = 0,
        queued_at = now(), next_try_at = null, version = i.version + 1;
    return null;
end $$;
create function private.enqueue_document() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.enqueue_indexing(new.space_id);
    return null;
end $$;
alter function private.queue_document() owner to goalspace_definer;
alter function private.enqueue_document() owner to goalspace_definer;

create trigger queue_new_document after insert on public.documents
    for each row execute function private.queue_document();
create trigger queue_changed_document after update of title, content, content_type on public.documents
    for each row when ((old.title, old.content, old.content_type) is distinct from (new.title, new.content, new.content_type))
    execute function private.queue_document();
create constraint trigger enqueue_new_document after insert on public.documents
    deferrable initially deferred for each row execute function private.enqueue_document();
create constraint trigger enqueue_changed_document after update of title, content, content_type on public.documents
    deferrable initially deferred for each row
    when ((old.title, old.content, old.content_type) is distinct from (new.title, new.content, new.content_type))
    execute function private.enqueue_document();

create function assistant.index_again(document uuid) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
    place uuid;
begin
    update assistant.document_indexing i
    set status = 'queued', error = null, attempts = 0, deaths = 0, queued_at = now(), next_try_at = null
    where i.document_id = document and i.space_id = any (array(select private.member_spaces('editor')))
    returning i.space_id into place;
    if place is not null then
        perform private.enqueue_indexing(place);
    end if;
    return place is not null;
end $$;
comment on function assistant.index_again(uuid) is
    'another try for a document that failed; false: there is none that the caller may change';
alter function assistant.index_again(uuid) owner to goalspace_definer;
grant execute on function assistant.index_again(uuid) to authenticated;
grant usage on schema private to service_role;
grant execute on function private.enqueue_indexing(uuid, timestamptz) to service_role, goalspace_definer;
"""

# Under a policy the planner may filter first and sort all, or walk the index and drop nearly all that it finds. So a
# large space is searched by a function that checks the caller's right itself and decides between the two ways by what
# they cost: half a microsecond for each chunk of the space, against 14 ms and 2 ms for each chunk of all spaces that
# there is for one of this space. Chunks in other languages come after all others, if at all.
NEAREST = """
create function assistant.nearest_chunks(
    space uuid, of_model text, of_languages text[], query {ext}.halfvec, depth integer)
returns table (chunk_id uuid, distance double precision)
language plpgsql stable security definer set search_path = '' rows 100
set enable_seqscan = on set enable_bitmapscan = on set enable_sort = on
set hnsw.iterative_scan = 'relaxed_order' set hnsw.ef_search = 600 as $$
declare
    width integer := {ext}.vector_dims(query);
    here double precision := (select s.chunks from assistant.space_statistics s where s.space_id = space);
    everywhere double precision := (
        select c.reltuples from pg_catalog.pg_class c where c.oid = 'public.document_embeddings'::pg_catalog.regclass);
    found uuid[];
    distances double precision[];
begin
    if not (space = any (array(select private.member_spaces('viewer'))) or exists (select from public.spaces s where s.id = space and s.visibility = 'public')) then
        return;
    end if;
    if here > 28000 + 4000 * greatest(everywhere, here) / here then
        perform set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
            set_config('enable_sort', 'off', true);
        execute format(
            'select array_agg(n.id), array_agg(n.distance) from ('
            'select e.id, e.search_vector::{ext}.halfvec(%1$s) operator({ext}.<#>) $4::{ext}.halfvec(%1$s) as distance '
            'from public.document_embeddings e where {ext}.vector_dims(e.search_vector) = %1$s and e.space_id = $1 '
            'and e.model = $2 and ($3 is null or e.language = any ($3)) order by distance limit $5) n', width)
            into found, distances using space, of_model, of_languages, query, depth;
        perform set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
            set_config('enable_sort', 'on', true);
    end if;
    if cardinality(found) = depth then
        return query select * from unnest(found, distances);
    else  -- not tried, or the walk ended before the space gave enough
        return query execute
            'select e.id, e.search_vector operator({ext}.<#>) $4 from public.document_embeddings e '
            'where e.space_id = $1 and e.model = $2 '
            'order by ($3 is null or e.language = any ($3)) desc, 2, e.document_id, e.chunk_index limit $5'
            using space, of_model, of_languages, query, depth;
    end if;
end $$;
alter function assistant.nearest_chunks(uuid, text, text[], {ext}.halfvec, integer) owner to goalspace_definer;
grant execute on function assistant.nearest_chunks(uuid, text, text[], {ext}.halfvec, integer)
    to anon, authenticated, service_role;
"""

DOWN = """
delete from jobs.procrastinate_jobs where task_name = 'index_space' and status = 'todo';
drop function assistant.nearest_chunks, assistant.index_again;
drop table assistant.fresh_vectors, assistant.document_indexing, assistant.postings, assistant.space_statistics,
    public.document_embeddings, public.documents;
drop function private.queue_document(), private.enqueue_document(), private.enqueue_indexing(uuid, timestamptz),
    private.count_new_chunks(),
    private.count_gone_chunks(), private.fill_space_of_chunk(), private.keep_author_true(),
    private.know_no_author();
revoke usage on schema assistant from anon;
revoke usage on schema private from service_role;
"""


def upgrade() -> None:
    bind = op.get_bind()
    run = bind.exec_driver_sql
    run(DOCUMENTS)
    run(CHUNKS)
    for width, suffix in WIDTHS.items():
        run(VECTOR_INDEX.format(width=width, suffix=suffix))
    run(LEXICAL)
    run(INDEXING)
    where = text("select extnamespace::regnamespace::text from pg_extension where extname = 'vector'")
    run(NEAREST.format(ext=bind.execute(where).scalar_one()))


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
