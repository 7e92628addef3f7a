"""A schema as text, object by object: what the models describe and all that they do not.

compare(url)      the database against one made afresh by the revisions, in a scratch database of the same server
describe(…)       what stands in a database, by name
"""

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from assistant.db import migrate
from assistant.db.contents import is_auth_ours
from assistant.db.setup import connect

SCHEMAS: Final = ("public", "assistant", "private", "partitions", "auth", "jobs")

MONTHLY: Final = r"_\d{4}_\d{2}"
"""In the names of partitions and of all that belongs to one. Which months there are depends on the day."""


def _queries() -> dict[str, bytes]:
    """By kind of object."""
    text = (files("assistant.db") / "catalogue.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (query.encode() for query in parts[2::2]), strict=True))


def describe(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """By name, all that a schema consists of: the same for two databases if they would behave the same.

    As their owner sees it, whatever the owner is called. Servers of different versions write the same differently.
    """
    schemas = [name for name in SCHEMAS if name != "auth" or is_auth_ours(connection)]
    with connection.transaction():
        connection.execute("set local search_path = ''")  # so that names say where they are
        return {
            row[0]: " | ".join(part if kind == "function" else flatten(part) for part in map(str, row[1:]))
            for kind, query in _queries().items()
            for row in connection.execute(query, {"schemas": schemas, "monthly": MONTHLY})
        }


def fingerprint(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """The same, in short."""
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in describe(connection).items()}


def compare(url: str) -> list[str]:
    """What in the database at `url` is not as its revision makes it, a short sentence each.

    Raises ConfigurationError, psycopg.Error where a scratch database cannot be made.
    """
    with connect(url) as connection:
        found = describe(connection)
        with _scratch(connection, url) as fresh_url:
            migrate.upgrade(fresh_url, migrate.current(connection) or "base")
            with connect(fresh_url) as fresh:
                expected = describe(fresh)
    return differences(found, expected)


def differences(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """A short sentence for each object."""
    return sorted(_differences(found, expected))


def _differences(found: dict[str, str], expected: dict[str, str]) -> Iterator[str]:
    gone = [name.removeprefix("table ") for name in expected if name.startswith("table ") and name not in found]
    foreign = [name.removeprefix("table ") for name in found if name.startswith("table ") and name not in expected]
    for name in found.keys() | expected.keys():
        if name not in found and not _is_part(name, gone):
            yield f"{name} is missing"
        elif name not in expected and not _is_part(name, foreign):
            yield f"{name} is no part of this version"
        elif name in found and name in expected and found[name] != expected[name]:
            yield f"{name} is different"


def _is_part(name: str, tables: list[str]) -> bool:
    """Whether it goes without saying: a missing table has no columns."""
    return any(name.endswith(f" on {table}") or name.startswith(f"column {table}.") for table in tables)


@contextmanager
def _scratch(connection: psycopg.Connection[Any], url: str) -> Iterator[str]:
    """The address of an empty database that others have prepared in the same way: extensions, default privileges."""
    name = f"goalspace_check_{secrets.token_hex(4)}"
    connection.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
    try:
        (path,) = connection.execute("select current_setting('search_path')").fetchone() or ("",)
        connection.execute(
            sql.SQL("alter database {} set search_path = {}").format(sql.Identifier(name), sql.SQL(path))
        )
        fresh_url = make_url(url).set(database=name).render_as_string(hide_password=False)
        with connect(fresh_url) as fresh:
            for statement in _preparations(connection):
                fresh.execute(statement)
        yield fresh_url
    finally:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _preparations(connection: psycopg.Connection[Any]) -> list[bytes]:
    rows = connection.execute("""
        select format('create schema if not exists %s', extnamespace::regnamespace) from pg_extension
        where extname in ('vector', 'uuid-ossp')
        union all
        select format('create extension %I schema %s', extname, extnamespace::regnamespace) from pg_extension
        where extname in ('vector', 'uuid-ossp')
        union all
        select format('alter default privileges in schema public grant %s on %s to %I', x.privilege_type,
            case defaclobjtype when 'r' then 'tables' when 'f' then 'functions' else 'sequences' end, r.rolname)
        from pg_default_acl cross join lateral aclexplode(defaclacl) x join pg_roles r on r.oid = x.grantee
        where defaclnamespace = 'public'::regnamespace and defaclrole = current_user::regrole
          and defaclobjtype in ('r', 'f', 'S') and x.grantee <> defaclrole
    """)
    return [text.encode() for (text,) in rows]


# --- the same, written differently ------------------------------------------------------------------------------------

_PIECE: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()]|[^\s()'\"]+")

Group = list["str | Group"]


def flatten(text: str) -> str:
    """Without parentheses that only say in which order equal things are joined: `(a AND b) AND c`.

    A schema that was dumped and restored has fewer of them.
    """
    root: Group = []
    open_groups = [root]
    for piece in _PIECE.findall(text):
        if piece == "(":
            inner: Group = []
            open_groups[-1].append(inner)
            open_groups.append(inner)
        elif piece == ")" and len(open_groups) > 1:
            open_groups.pop()
        else:
            open_groups[-1].append(piece)
    return _written(root)


def _written(group: Group) -> str:
    joins = {part for part in group if part in ("AND", "OR")}
    parts = []
    for part in group:
        if isinstance(part, str):
            parts.append(part)
            continue
        inner = {each for each in part if each in ("AND", "OR")}
        text = _written(part)
        parts.append(text if len(joins) == 1 and inner == joins else f"({text})")
    return " ".join(parts)
