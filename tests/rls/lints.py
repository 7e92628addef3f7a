"""Rules that hold for every table, view, function and policy, also for those that come later.

Each is a query over the catalogue that lists what breaks it, with a fault that breaks it: a rule that finds nothing
in a broken schema would be worth nothing. What Supabase's advisor looks for is among them, as far as it applies to a
schema (and not to the use of indexes, bloat, storage buckets, queues or GraphQL, which this one has not).
"""

from typing import LiteralString, NamedTuple

OURS: LiteralString = "('public', 'assistant', 'private', 'partitions')"

FOR_EVERYBODY: LiteralString = """(
    'private.member_spaces(text)', 'private.owned_spaces()',
    'assistant.nearest_chunks(uuid,text,text[],halfvec,integer)', 'blog_authors(uuid[])')"""
"""Definer functions that need no sign-in: they tell what is public, and look at who is asking themselves."""

_CLIENTS: LiteralString = "(select oid, rolname from pg_roles where rolname in ('anon', 'authenticated')) r"

_OF_EXTENSION: LiteralString = "exists (select from pg_depend d where d.objid = {} and d.deptype = 'e')"


class Lint(NamedTuple):
    rule: str
    query: LiteralString
    """Lists what breaks the rule."""
    fault: LiteralString
    """Breaks it."""


_RELATIONS: LiteralString = f"""from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in {OURS} and c.relkind in"""

_FUNCTIONS: LiteralString = f"""from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in {OURS} and p.proname <> 'uuid_generate_v4' and not {_OF_EXTENSION.format("p.oid")}"""

TABLES = [
    Lint(
        "row-level security is enabled and forced on every table and partition",
        f"select c.oid::regclass {_RELATIONS} ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)",
        "alter table partitions.usage_logs_default no force row level security",
    ),
    Lint(
        "who has a privilege on a table has a policy for it",
        f"""select c.oid::regclass, r.rolname, p.privilege
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join (values ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) p(privilege, command)
        cross join {_CLIENTS}
        where n.nspname in {OURS} and c.relkind in ('r', 'p')
          and (has_table_privilege(r.oid, c.oid, p.privilege)
               or p.privilege <> 'DELETE' and has_any_column_privilege(r.oid, c.oid, p.privilege))
          and not exists (select from pg_policy o where o.polrelid = c.oid and o.polcmd in (p.command, '*')
                          and r.oid = any (o.polroles))""",
        "drop policy goals_delete_policy on goals",
    ),
    Lint(
        "every table has a primary key",
        f"""select c.oid::regclass {_RELATIONS} ('r', 'p')
          and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)""",
        "create table assistant.loose (id uuid)",
    ),
    Lint(
        "foreign keys are indexed",
        """select k.conrelid::regclass, k.conname from pg_constraint k join pg_namespace n on n.oid = k.connamespace
        where k.contype = 'f' and n.nspname in ('public', 'assistant') and k.conparentid = 0
          and not exists (select from pg_index i where i.indrelid = k.conrelid and i.indpred is null
                          and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
          and not exists (select from pg_index i where i.indrelid = k.conrelid and i.indpred is null
                          and i.indkey[0] = k.conkey[1])""",
        "drop index idx_subscriptions_user_id; drop index subscriptions_one_active",
    ),
    Lint(
        "no index is there twice",
        """select a.indexrelid::regclass, b.indexrelid::regclass from pg_index a
        join pg_index b on a.indrelid = b.indrelid and a.indexrelid < b.indexrelid
            and a.indkey = b.indkey and a.indclass = b.indclass and a.indoption = b.indoption
            and a.indexprs is not distinct from b.indexprs and a.indpred is not distinct from b.indpred
        join pg_class c on c.oid = a.indrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant')""",
        "create index twice on goals (user_id, created_at, id)",
    ),
    Lint(
        "what says updated_at keeps it",
        """select c.oid::regclass from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p') and a.attname = 'updated_at'
          and not exists (select from pg_trigger t where t.tgrelid = c.oid
                          and t.tgfoid = 'private.touch_updated_at()'::regprocedure)""",
        "drop trigger touch_updated_at on tasks",
    ),
    Lint(
        "timestamps know their zone, and creation is never null",
        """select c.oid::regclass, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p') and a.attnum > 0
          and (a.atttypid = 'timestamp'::regtype or a.attname in ('created_at', 'updated_at') and not a.attnotnull)""",
        "alter table goals add column reached_at timestamp",
    ),
    Lint(
        "no column has a type that a newer server could not take over",
        f"""select c.oid::regclass, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid
        where n.nspname in {OURS} and c.relkind in ('r', 'p') and a.attnum > 0
          and t.typname in ('regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper', 'regoperator',
                            'regproc', 'regprocedure')""",
        "alter table documents add column searched_as regconfig",
    ),
    Lint(
        "keys into auth.users point at its primary key",
        """select k.conrelid::regclass, k.conname from pg_constraint k
        where k.contype = 'f' and k.confrelid = 'auth.users'::regclass
          and not exists (select from pg_index i where i.indrelid = k.confrelid and i.indisprimary
                          and i.indexrelid = k.conindid)""",
        "alter table auth.users add constraint one_address unique (email);"
        "alter table users add constraint by_address foreign key (email) references auth.users (email) not valid",
    ),
]

POLICIES = [
    Lint(
        "policies name their roles and one command",
        "select polrelid::regclass, polname from pg_policy where 0 = any (polroles) or polcmd = '*'",
        "create policy everything on goals using (user_id = (select auth.uid()))",
    ),
    Lint(
        "there is one permissive policy for each command and role",
        """select polrelid::regclass, polcmd, role from pg_policy cross join unnest(polroles) role
        where polpermissive group by 1, 2, 3 having count(*) > 1""",
        "create policy second on goals for select to authenticated using (user_id = (select auth.uid()))",
    ),
    Lint(
        "policies ask for the caller once a statement",
        """select polrelid::regclass, polname from (
            select polrelid, polname, coalesce(pg_get_expr(polqual, polrelid), '') || ' '
                || coalesce(pg_get_expr(polwithcheck, polrelid), '') as text from pg_policy) p
        where regexp_count(text, 'auth\\.(uid|role|jwt|email)\\(|current_setting\\(')
            <> regexp_count(text, '\\( SELECT auth\\.uid\\(\\) AS uid\\)')""",
        "alter policy goals_select_policy on goals using (user_id = auth.uid())",
    ),
    Lint(
        "policies ask for sets of spaces once a statement, not for each row",
        """select polrelid::regclass, polname from (
            select polrelid, polname, coalesce(pg_get_expr(polqual, polrelid), '') || ' '
                || coalesce(pg_get_expr(polwithcheck, polrelid), '') as text from pg_policy) p
        where regexp_count(text, '(member|owned)_spaces\\(')
            <> regexp_count(text, 'SELECT private\\.(member|owned)_spaces\\('
                '|SELECT member\\.member\\s+FROM private\\.member_spaces\\(''\\w+''::text\\) member\\(member\\)\\)')""",
        "alter policy modules_delete on modules using (space_id in ("
        "select s from spaces o, lateral private.member_spaces('editor') s where o.id = s))",
    ),
    Lint(
        "no policy is always true",
        """select polrelid::regclass, polname from pg_policy
        where pg_get_expr(polqual, polrelid) = 'true' or pg_get_expr(polwithcheck, polrelid) = 'true'""",
        "alter policy goals_insert_policy on goals with check (true)",
    ),
    Lint(
        "no policy believes what users may write about themselves",
        """select polrelid::regclass, polname from pg_policy
        where coalesce(pg_get_expr(polqual, polrelid), '') || coalesce(pg_get_expr(polwithcheck, polrelid), '')
            ~ 'user_metadata|request\\.jwt'""",
        "alter policy goals_select_policy on goals using "
        "(current_setting('request.jwt.claims')::jsonb -> 'user_metadata' ->> 'admin' = 'yes')",
    ),
    Lint(
        "a table with policies has row-level security on",
        """select distinct p.polrelid::regclass from pg_policy p join pg_class c on c.oid = p.polrelid
        where not c.relrowsecurity""",
        "alter table goals disable row level security",
    ),
]

GRANTS = [
    Lint(
        "clients can not truncate, reference or trigger",
        """select c.oid::regclass, r.rolname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join (select oid, rolname from pg_roles where rolname in ('anon', 'authenticated', 'goalspace_login')) r
        where n.nspname not in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'p', 'm', 'v')
          and has_table_privilege(r.oid, c.oid, 'TRUNCATE, REFERENCES, TRIGGER')""",
        "grant truncate on goals to authenticated",
    ),
    Lint(
        "partitions are out of reach",
        """select c.oid::regclass::text, r.name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join (values ('anon'), ('authenticated'), ('goalspace_login')) r(name)
        where n.nspname = 'partitions' and has_table_privilege(r.name, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        union all
        select 'schema partitions'::text, r.name from (values ('anon'), ('authenticated'), ('service_role')) r(name)
        where has_schema_privilege(r.name, 'partitions', 'USAGE')""",
        "grant usage on schema partitions to authenticated",
    ),
    Lint(
        "the schema of helpers and the queue are out of reach",
        """select n.nspname, r.name from pg_namespace n
        cross join (values ('anon'), ('authenticated'), ('goalspace_login')) r(name)
        where n.nspname in ('jobs', 'migrations', 'partitions')
          and has_schema_privilege(r.name, n.oid, 'USAGE, CREATE')
        union all
        select n.nspname, r.name from pg_namespace n
        cross join (values ('anon'), ('authenticated'), ('service_role'), ('goalspace_login'), ('goalspace_jobs'))
            r(name)
        where n.nspname in ('public', 'assistant', 'private', 'auth')
          and has_schema_privilege(r.name, n.oid, 'CREATE')""",
        "grant create on schema public to authenticated",
    ),
    Lint(
        "materialised views are for the service",
        f"""select c.oid::regclass, r.rolname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join {_CLIENTS}
        where n.nspname in {OURS} and c.relkind = 'm' and has_any_column_privilege(r.oid, c.oid, 'SELECT')""",
        "grant select (title) on space_summaries to anon",
    ),
    Lint(
        "no view runs with its owner's rights",
        f"""select c.oid::regclass {_RELATIONS} ('v')
          and not coalesce('security_invoker=true' = any (c.reloptions), false)
          and not {_OF_EXTENSION.format("c.oid")}""",
        "create view everybodys_goals as select * from goals",
    ),
    Lint(
        "no foreign table, which knows no policies",
        f"select c.oid::regclass {_RELATIONS} ('f')",
        "create foreign data wrapper nowhere; create server away foreign data wrapper nowhere;"
        "create foreign table far (id uuid) server away",
    ),
    Lint(
        "identities are not shown",
        f"""select 'auth.users', r.rolname from {_CLIENTS}
        where has_any_column_privilege(r.oid, 'auth.users', 'SELECT, INSERT, UPDATE')
        union all
        select c.oid::regclass::text, r.rolname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join {_CLIENTS}
        where n.nspname in {OURS} and c.relkind in ('v', 'm') and has_table_privilege(r.oid, c.oid, 'SELECT')
          and exists (select from pg_rewrite w join pg_depend d on d.objid = w.oid
                      where w.ev_class = c.oid and d.refobjid = 'auth.users'::regclass)""",
        "grant select (email) on auth.users to authenticated",
    ),
    Lint(
        "no column that holds a secret can be read by clients",
        f"""select c.oid::regclass, a.attname, r.rolname from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace cross join {_CLIENTS}
        where n.nspname in {OURS} and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0 and not a.attisdropped
          and a.attname ~ '(password|secret|token|key)_?hash|^(secret|token|password)(_|$)'
          and has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')""",
        "grant select on assistant.local_accounts to authenticated",
    ),
]

FUNCTIONS = [
    Lint(
        "functions fix their search path",
        f"""select p.oid::regprocedure {_FUNCTIONS} and p.prolang <> (select oid from pg_language where lanname = 'c')
          and not coalesce('search_path=""' = any (p.proconfig), false)""",
        "create function assistant.wanders() returns int language sql as 'select 1'",
    ),
    Lint(
        "no function is for everybody",
        f"""select p.oid::regprocedure {_FUNCTIONS}
          and exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                      where a.grantee = 0 and a.privilege_type = 'EXECUTE')""",
        "grant execute on function public.accept_invitation(uuid) to public",
    ),
    Lint(
        "functions that clients call take no user",
        f"""select p.oid::regprocedure, r.rolname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        cross join {_CLIENTS}
        where n.nspname in {OURS} and has_function_privilege(r.oid, p.oid, 'EXECUTE')
          and exists (select from unnest(p.proargnames) a where a ~ 'user|member|owner|caller')
          and not {_OF_EXTENSION.format("p.oid")}""",
        "create function assistant.goals_of(user_id uuid) returns int language sql set search_path = '' as 'select 1';"
        "grant execute on function assistant.goals_of(uuid) to authenticated",
    ),
    Lint(
        "who is not signed in calls no function with more rights than theirs, but those that ask what is public",
        f"""select p.oid::regprocedure {_FUNCTIONS} and p.prosecdef
          and has_function_privilege('anon', p.oid, 'EXECUTE')
          and p.oid::regprocedure::text not in {FOR_EVERYBODY}""",
        "grant execute on function public.my_space_summaries() to anon",
    ),
]

LINTS = [*TABLES, *POLICIES, *GRANTS, *FUNCTIONS]
