"""The configuration of the embedded server, written anew at each start, so that an upgrade of this package changes it.

An operator's own wishes go through ALTER SYSTEM, which outranks this file and survives.
"""

import os
import pwd
import sys

from assistant.db.program import FALLBACK_ACCOUNT, Account

SUPERUSER = "postgres"
PORT = 5432
"""Only a part of the socket's name: the server listens on no network."""

SYNC_METHOD = "syncfs" if sys.platform == "linux" else "fsync"
"""One call for the file system instead of one for each of 1,300 files: a start after a crash takes 0.1 s, not 2."""

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "goalspace",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "huge_pages": "off",
    "wal_level": "replica",
    "recovery_init_sync_method": SYNC_METHOD,
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "iso, ymd",
    "default_text_search_config": "pg_catalog.english",
    "lc_messages": "C",
    "log_destination": "stderr",
    "logging_collector": "off",
    # What people write must not reach the log: no parameters, no statements, no details; and no plain errors,
    # because their messages quote the value they complain about. The service logs those by code.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # Nothing that repeats while all is well: the log is cut only at a start.
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}

HBA = f"""\
# The kernel says who connects (peer): the owner of the data directory is the superuser, and nobody else can be.
# All other roles have passwords. There is no network to allow or refuse.
local all,replication {SUPERUSER} peer map=owner
local all all scram-sha-256
"""


def server_settings(socket_dir: str) -> str:
    """`socket_dir` may be relative to the data directory."""
    settings = SETTINGS | {"unix_socket_directories": f'"{socket_dir}"'}
    return "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items())


def owner_map(account: Account) -> str:
    """Who may be the superuser: root, whoever starts the server, and the owner of its data.

    Not the fallback account: other services may run under it.
    """
    owners = {"root", pwd.getpwuid(os.geteuid()).pw_name} | ({account.name} - {FALLBACK_ACCOUNT})
    return "".join(f'owner "{name}" {SUPERUSER}\n' for name in sorted(owners))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
