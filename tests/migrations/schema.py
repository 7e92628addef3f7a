"""A schema as text: what autogenerate compares and all that it does not."""

from typing import Any, LiteralString

import psycopg

SCHEMAS: LiteralString = "('public', 'assistant', 'private', 'partitions', 'auth', 'jobs')"

QUERIES: dict[str, LiteralString] = {
    "schema": "select nspname, nspacl::text from pg_namespace n where nspname in " + SCHEMAS,
    "relation": f"""
        select c.oid::regclass::text, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relpersistence,
            pg_get_userbyid(c.relowner), (select array_agg(a::text order by a::text) from unnest(c.relacl) a),
            case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end, obj_description(c.oid, 'pg_class')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in {SCHEMAS} and c.relkind in ('r', 'p', 'm', 'v', 'S')""",
    "column": f"""
        select c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage,
            pg_get_expr(d.adbin, d.adrelid), (select array_agg(x::text order by x::text) from unnest(a.attacl) x),
            col_description(c.oid, a.attnum)
        from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where n.nspname in {SCHEMAS} and c.relkind in ('r', 'p', 'm') and a.attnum > 0 and not a.attisdropped""",
    "constraint": f"""
        select conrelid::regclass::text, conname, pg_get_constraintdef(k.oid) from pg_constraint k
        join pg_namespace n on n.oid = k.connamespace where n.nspname in {SCHEMAS}""",
    "index": f"select schemaname, indexname, indexdef from pg_indexes where schemaname in {SCHEMAS}",
    "policy": f"""
        select schemaname, tablename, policyname, permissive, roles::text, cmd, qual, with_check from pg_policies
        where schemaname in {SCHEMAS}""",
    "function": f"""
        select pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner),
            (select array_agg(a::text order by a::text) from unnest(p.proacl) a), obj_description(p.oid, 'pg_proc')
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in {SCHEMAS} and p.prokind = 'f'
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')""",
    "trigger": f"""
        select pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
        join pg_namespace n on n.oid = c.relnamespace where n.nspname in {SCHEMAS} and not t.tgisinternal""",
    "default privilege": """
        select pg_get_userbyid(defaclrole), defaclnamespace::regnamespace::text, defaclobjtype, defaclacl::text
        from pg_default_acl""",
}


def describe(connection: psycopg.Connection[Any]) -> set[str]:
    """One line per thing, so that a difference reads by itself."""
    return {
        f"{kind}: {' | '.join(str(part) for part in row)}"
        for kind, query in QUERIES.items()
        for row in connection.execute(query)
    }
