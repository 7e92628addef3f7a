-- A query for each kind of object: its name with its kind, then all that it is.
-- %(schemas)s are those that are looked at; %(monthly)s is what the names of monthly partitions have in common: which
-- months there are depends on the day. Who may do what is told without the owner, who always may; an owner only where it
-- is another than who asks.

-- name: schema
select format('schema %%I', n.nspname),
    case when n.nspowner <> current_user::regrole then pg_get_userbyid(n.nspowner) end, (
    select string_agg(distinct concat_ws(' ', coalesce(r.rolname, 'everybody'), x.privilege_type, x.is_grantable), ', ')
    from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x left join pg_roles r on r.oid = x.grantee
    where x.grantee <> n.nspowner)
from pg_namespace n
where n.nspname = any (%(schemas)s) and n.nspname <> 'public';

-- name: relation
select format('%%s %%I.%%I', case c.relkind when 'm' then 'materialised view' when 'v' then 'view'
                             when 'S' then 'sequence' else 'table' end, n.nspname, c.relname),
    c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relpersistence, case when c.relowner <> current_user::regrole then pg_get_userbyid(c.relowner) end,
    (select string_agg(distinct concat_ws(' ', coalesce(r.rolname, 'everybody'), x.privilege_type, x.is_grantable), ', ')
     from aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) x
     left join pg_roles r on r.oid = x.grantee
     where x.grantee <> c.relowner),
    case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end, obj_description(c.oid, 'pg_class'),
    c.reloptions, pg_get_partkeydef(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s) and c.relkind in ('r', 'p', 'm', 'v', 'S')
  and not (n.nspname = 'partitions' and c.relname ~ %(monthly)s)
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e');

-- name: partitions
select 'security of partitions', array_agg(distinct concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity,
    case when c.relowner <> current_user::regrole then pg_get_userbyid(c.relowner) end, exists (select from aclexplode(c.relacl) x where x.grantee <> c.relowner)))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'partitions' and c.relkind in ('r', 'p');

-- name: column
select format('column %%I.%%I.%%I', n.nspname, c.relname, a.attname), format_type(a.atttypid, a.atttypmod),
    a.attnotnull, a.attstorage, a.attgenerated, pg_get_expr(d.adbin, d.adrelid),
    (select string_agg(distinct concat_ws(' ', coalesce(r.rolname, 'everybody'), x.privilege_type, x.is_grantable), ', ')
     from aclexplode(a.attacl) x left join pg_roles r on r.oid = x.grantee),
    col_description(c.oid, a.attnum)
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where n.nspname = any (%(schemas)s) and c.relkind in ('r', 'p', 'm') and a.attnum > 0 and not a.attisdropped
  and not (n.nspname = 'partitions' and c.relname ~ %(monthly)s);

-- name: constraint
select format('constraint %%I on %%s', k.conname, k.conrelid::regclass), pg_get_constraintdef(k.oid), k.convalidated
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s) and k.contype <> 'n' -- columns say it
  and not (n.nspname = 'partitions' and c.relname ~ %(monthly)s)
  and k.conparentid = 0 and k.confrelid not in (
      select oid from pg_class where relnamespace = to_regnamespace('partitions'));

-- name: index
select format('index %%I.%%I', n.nspname, c.relname), pg_get_indexdef(c.oid), i.indisvalid, c.reloptions
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s) and not (n.nspname = 'partitions' and c.relname ~ %(monthly)s);

-- name: policy
select format('policy %%I on %%s', p.polname, p.polrelid::regclass), p.polpermissive, p.polcmd,
    (select array_agg(rolname order by rolname) from pg_roles where oid = any (p.polroles)),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s);

-- name: type
select format('type %%s', t.oid::regtype), t.typtype, case when t.typowner <> current_user::regrole then pg_get_userbyid(t.typowner) end,
    (select array_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
    format_type(t.typbasetype, t.typtypmod)
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where n.nspname = any (%(schemas)s) and t.typtype in ('e', 'd')
  and not exists (select from pg_depend d where d.objid = t.oid and d.deptype = 'e');

-- name: function
select format('function %%s', p.oid::regprocedure), pg_get_functiondef(p.oid), case when p.proowner <> current_user::regrole then pg_get_userbyid(p.proowner) end,
    (select string_agg(distinct concat_ws(' ', coalesce(r.rolname, 'everybody'), x.privilege_type, x.is_grantable), ', ')
     from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x left join pg_roles r on r.oid = x.grantee
     where x.grantee <> p.proowner),
    obj_description(p.oid, 'pg_proc')
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = any (%(schemas)s) and p.prokind in ('f', 'p')
  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e');

-- name: trigger
select format('trigger %%I on %%s', t.tgname, t.tgrelid::regclass), pg_get_triggerdef(t.oid), t.tgenabled
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s) and not t.tgisinternal
  and not (n.nspname = 'partitions' and c.relname ~ %(monthly)s);

-- name: default privileges
select format('default privileges for %%s%%s', case defaclobjtype when 'r' then 'tables' when 'f' then 'functions'
                  when 'S' then 'sequences' when 'T' then 'types' else 'schemas' end,
              case when defaclnamespace <> 0 then ' in ' || defaclnamespace::regnamespace else '' end),
    (select string_agg(distinct concat_ws(' ', coalesce(r.rolname, 'everybody'), x.privilege_type), ', ')
     from aclexplode(defaclacl) x left join pg_roles r on r.oid = x.grantee where x.grantee <> defaclrole)
from pg_default_acl
where defaclrole = current_user::regrole;
