"""The roles of the cluster: who may become whom. Made before any revision runs, left behind by every downgrade."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from assistant.errors import ConfigurationError

DEFINER: Final = "goalspace_definer"
"""Owns the definer functions and nothing else."""

LENT_SCHEMAS: Final = ("public", "private", "assistant")
"""Who is no superuser can give a function only to a role that may create one there. The definer role may, while
functions are made; afterwards it has no more than its functions need."""

GROUPS: Final = {
    "anon": "nologin noinherit",
    "authenticated": "nologin noinherit",
    "service_role": "nologin noinherit bypassrls",
    DEFINER: "nologin noinherit bypassrls",
}
"""The first three as Supabase has them."""

LOGINS: Final = {
    "goalspace_login": ("anon", "authenticated"),
    "goalspace_jobs": ("service_role",),
}
"""What the service connects as, and whom each may become. They own nothing."""

LIMITS: Final = {
    "goalspace_login": {"statement_timeout": "5s", "lock_timeout": "2s"},
    "goalspace_jobs": {"statement_timeout": "60s", "lock_timeout": "2s"},
}

TRANSACTION_LIMITS: Final = {"goalspace_login": "30s", "goalspace_jobs": "15min"}
"""Of a whole transaction, where the server has such a limit (PostgreSQL 17). Jobs gather statistics in theirs."""

_SHARED_LIMITS: Final = {"idle_in_transaction_session_timeout": "10s", "timezone": "UTC"}


class Logins(msgspec.Struct, frozen=True):
    """Addresses with passwords; never printed."""

    login_url: str
    jobs_url: str

    def __repr__(self) -> str:
        return "Logins(…)"


class _Passwords(msgspec.Struct, frozen=True):
    goalspace_login: str
    goalspace_jobs: str


def ensure_roles(connection: psycopg.Connection[object]) -> None:
    """Make what is missing; what is there is left as it is, since other databases of the cluster may use it."""
    with connection.transaction():
        # Roles belong to the cluster, and two databases of it may be set up at once.
        connection.execute("select pg_advisory_xact_lock(hashtext('goalspace.roles'))")
        for role, options in GROUPS.items():
            _ensure_role(connection, role, options)
        for role, members_of in LOGINS.items():
            _ensure_role(connection, role, "login noinherit")
            for group in members_of:
                connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(role)))
            limits = LIMITS[role] | _SHARED_LIMITS
            if connection.info.server_version >= 170000:
                limits = limits | {"transaction_timeout": TRANSACTION_LIMITS[role]}
            for name, value in limits.items():
                connection.execute(
                    sql.SQL("alter role {} set {} = {}").format(
                        sql.Identifier(role), sql.Identifier(name), sql.Literal(value)
                    )
                )
        # Who is no superuser can only give away functions to a role that they belong to.
        connection.execute("grant goalspace_definer to current_user")


def role_faults(connection: psycopg.Connection[Any]) -> list[str]:
    """What about the roles would let somebody do more than they should, or wait longer: a short sentence each."""
    rows = connection.execute("""
        select r.rolname, r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication, r.rolbypassrls,
            r.rolcanlogin, r.rolinherit,
            array(select m.roleid::regrole::text from pg_auth_members m where m.member = r.oid),
            array(select unnest(setconfig) from pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0)
        from pg_roles r where r.rolname = any (%s)
    """, ([*GROUPS, *LOGINS],)).fetchall()  # fmt: skip
    return [f"role {name} is missing" for name in (*GROUPS, *LOGINS) if name not in {row[0] for row in rows}] + [
        f"role {name} {fault}" for name, *facts in rows for fault in _faults(name, *facts)
    ]


def _faults(
    name: str, is_mighty: bool, bypasses: bool, can_log_in: bool, inherits: bool, groups: list[str], config: list[str]
) -> Iterator[str]:
    if is_mighty:
        yield "may do more than it needs: no superuser, no roles, no databases, no replication"
    if bypasses != ("bypassrls" in GROUPS.get(name, "")):
        yield "must not bypass policies" if bypasses else "must bypass policies"
    if name in GROUPS:
        if can_log_in:
            yield "must not be able to log in"
        return
    if inherits:
        yield "must not inherit what it may become"
    if set(groups) != set(LOGINS[name]):
        yield f"may become {', '.join(sorted(groups)) or 'nobody'}, not {', '.join(sorted(LOGINS[name]))}"
    for setting, value in (LIMITS[name] | _SHARED_LIMITS).items():
        if f"{setting}={value}".lower() not in [each.lower() for each in config]:
            yield f"lacks the setting {setting} = {value}"


def _ensure_role(connection: psycopg.Connection[object], role: str, options: str) -> None:
    if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone() is None:
        connection.execute(sql.SQL("create role {} {}").format(sql.Identifier(role), sql.SQL(options)))


def set_passwords(connection: psycopg.Connection[object], secrets_file: Path) -> None:
    """Give both logins new passwords and keep them in `secrets_file`, readable by its owner only."""
    passwords = _Passwords(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    with connection.transaction():
        for role in LOGINS:
            connection.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(getattr(passwords, role)))
            )
        write_secret(secrets_file, msgspec.json.encode(passwords))


def write_secret(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def read_logins(database_url: str | URL, secrets_file: Path) -> Logins | None:
    """Addresses of the two logins for this database; None where no passwords were made yet."""
    try:
        passwords = msgspec.json.decode(secrets_file.read_bytes(), type=_Passwords)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as exc:
        raise ConfigurationError(f"{secrets_file} cannot be read; remove it and run 'goalspace db upgrade'.") from exc
    base = make_url(database_url)

    def address(role: str, password: str) -> str:
        return base.set(username=role, password=password).render_as_string(hide_password=False)

    return Logins(
        address("goalspace_login", passwords.goalspace_login), address("goalspace_jobs", passwords.goalspace_jobs)
    )
