"""The import from an earlier schema: the worked example end to end, and each way in which it can go wrong."""
# ruff: noqa: E501 - a table reads by its rows

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from assistant.cli.importing import CHECKS
from assistant.db import migrate
from assistant.db.archive import read_archive
from assistant.db.contents import TableContents, read_contents, stored_tables
from assistant.db.importing.mapping import ImportProblem, read_mapping
from assistant.db.importing.run import SILENCED, ImportReport, import_from
from assistant.db.restore import restore
from assistant.db.setup import connect
from assistant.errors import ConfigurationError
from tests.fixtures.databases import NewDatabase

EXAMPLE = Path(__file__).parents[2] / "examples" / "import"
MAPPING = (EXAMPLE / "mapping.toml").read_text()

Edit = Callable[[str], str]


@pytest.fixture(scope="module")
def older(new_database: NewDatabase) -> str:
    url = new_database()
    with connect(url) as connection:
        connection.execute((EXAMPLE / "older_schema.sql").read_text().encode())
        connection.execute((EXAMPLE / "older_rows.sql").read_text().encode())
    return url


@pytest.fixture(scope="module")
def empty(new_schema: NewDatabase) -> str:
    """Never filled: no test here keeps anything in it."""
    return new_schema()


def run(older: str, url: str, folder: Path, mapping: str = MAPPING, *, dry_run: bool = False) -> ImportReport:
    file = folder / "map.toml"
    file.write_text(mapping)
    return import_from(older, url, read_mapping(file), folder / "before.backup", dry_run=dry_run)


def test_a_mentor_that_the_api_would_refuse_is_named_with_its_path(older: str, empty: str, tmp_path: Path) -> None:
    odd = """case when c.name = 'Danish' then jsonb '{"tools": {"create_taks": "auto"}}' end as ai_mentor_config"""
    file = tmp_path / "map.toml"
    file.write_text(MAPPING.replace("coalesce(c.mentor::jsonb, '{}') as ai_mentor_config", odd))
    with pytest.raises(ImportProblem) as found:
        import_from(older, empty, read_mapping(file), tmp_path / "before.backup", dry_run=True, checks=CHECKS)
    [problem] = found.value.problems
    assert "spaces.ai_mentor_config: ai_mentor_config.tools.create_taks: There is no such tool." in problem
    assert problem.endswith("(1 of its rows)")


def contents(url: str) -> dict[str, TableContents]:
    with connect(url) as connection, connection.transaction():
        return read_contents(connection, stored_tables(connection, ("auth", "public", "assistant", "jobs")))


def rows(url: str, query: str) -> list[Any]:
    with connect(url) as connection:
        connection.execute("set timezone = 'UTC'")
        return list(connection.execute(query.encode()))


def test_the_example_is_taken_over_whole(older: str, new_schema: NewDatabase, tmp_path: Path) -> None:
    url = new_schema()
    report = run(older, url, tmp_path)
    assert report.kept
    assert {each.table: each.rows for each in report.tables} == {
        "auth.users": 3, "users": 3, "subscriptions": 2, "user_preferences": 3, "goals": 3, "spaces": 2,
        "space_collaborators": 2, "modules": 3, "module_progress": 3, "tasks": 3, "documents": 2,
        "document_embeddings": 2, "chat_messages": 5, "usage_logs": 2, "comments": 3, "blog_posts": 2,
    }  # fmt: skip
    assert report.foreign_keys > 20
    assert rows(url, "select email, created_at::text, last_active_at::text from users order by email") == [
        ("ada@example.org", "2019-03-31 00:30:00+00", "2026-06-01 10:00:00+00"),
        ("bob@example.org", "2020-10-25 01:30:00+00", None),
        ("eve@example.org", "2020-12-31 23:00:00+00", "2026-01-02 02:04:05.678901+00"),
    ]
    assert rows(url, "select theme, language from user_preferences p join users u on u.id = p.user_id order by email") == [
        ("dark", "en"), ("system", "es"), ("system", "de"),
    ]  # fmt: skip
    assert rows(url, "select title, status from goals order by title") == [
        ("Learn to sail", "active"), ("Read music", "archived"), ("Speak Danish", "completed"),
    ]  # fmt: skip
    assert rows(
        url, "select s.title, m.title, m.content from modules m join spaces s on s.id = m.space_id order by 1, 2"
    ) == [
        ("Danish", "Sounds", "Rødgrød med fløde 🍓"),
        ("Sailing", "Knots", "The bowline.\nThe clove\thitch."),
        ("Sailing", "Lights", None),
    ]
    assert rows(url, "select count(*) from comments c join comments p on p.id = c.parent_id") == [(1,)]


def test_the_schema_as_it_was_designed_is_taken_over(
    new_database: NewDatabase, new_schema: NewDatabase, tmp_path: Path
) -> None:
    designed, url = new_database(), new_schema()
    with connect(designed) as connection:
        connection.execute((EXAMPLE / "as_designed.sql").read_bytes())
    report = run(designed, url, tmp_path, (EXAMPLE / "as_designed.toml").read_text())
    assert {each.rows for each in report.tables} == {2, 3, 4}
    for table in ("goals", "spaces", "tasks", "documents", "chat_messages", "module_progress"):
        query = f"select id, created_at from public.{table} order by id"
        assert rows(url, query) == rows(designed, query), table
    assert rows(url, "select depth from comments order by 1") == [(0,), (0,), (1,), (1,)]
    assert rows(url, "select distinct embedding[1] from (select embedding::real[] from document_embeddings)") == [
        (0.5,)
    ]


def test_triggers_do_not_falsify_it(older: str, new_schema: NewDatabase, tmp_path: Path) -> None:
    url = new_schema()
    run(older, url, tmp_path)
    assert rows(
        url, "select last_interaction_at::text, completed_at::text from module_progress order by 1 limit 1"
    ) == [("2020-03-02 08:00:00+00", "2020-03-01 08:00:00+00")]
    assert rows(url, "select max(updated_at)::text from goals") == [("2024-02-29 22:59:59+00",)]
    assert rows(url, "select count(*) from partitions.chat_messages_default") == [(0,)]
    assert rows(url, "select count(*) from partitions.chat_messages_2020_05") == [(2,)]
    assert rows(url, "select count(*) from assistant.outbox") == [(0,)]
    for table, trigger in SILENCED.items():
        found = rows(
            url, f"select tgenabled from pg_trigger where tgrelid = '{table}'::regclass and tgname = '{trigger}'"
        )
        assert found == [("O",)]


def test_what_has_to_follow_is_queued_and_counted(older: str, new_schema: NewDatabase, tmp_path: Path) -> None:
    url = new_schema()
    report = run(older, url, tmp_path)
    assert report.queued_documents == 2
    assert rows(url, "select status from assistant.document_indexing") == [("queued",), ("queued",)]
    assert rows(url, "select count(*) from jobs.procrastinate_jobs where task_name = 'index_space'") == [(2,)]
    assert rows(url, "select chunks from assistant.space_statistics") == [(1,), (1,)]
    assert rows(url, "select title, total_modules::integer, completed_modules::integer from space_summaries order by 1") == [
        ("Danish", 1, 0), ("Sailing", 2, 1),
    ]  # fmt: skip


def test_a_rehearsal_does_all_and_keeps_nothing(older: str, empty: str, tmp_path: Path) -> None:
    before = contents(empty)
    report = run(older, empty, tmp_path, dry_run=True)
    assert not report.kept
    assert sum(each.rows for each in report.tables) == 43
    assert contents(empty) == before


def test_the_backup_from_before_can_be_put_back(
    older: str, new_database: NewDatabase, new_schema: NewDatabase, tmp_path: Path
) -> None:
    url, again = new_schema(), new_database()
    with connect(url) as connection:
        connection.execute("insert into assistant.billing_events (id) values ('evt_before')")
    before = contents(url)
    run(older, url, tmp_path)
    restore(again, read_archive(tmp_path / "before.backup"))
    assert contents(again) == before


def test_where_another_keeps_auth_people_must_be_there(older: str, new_database: NewDatabase, tmp_path: Path) -> None:
    url = new_database()
    with connect(url) as connection:
        connection.execute("""
            create schema auth;
            create table auth.users (id uuid primary key, email varchar(255));
            create function auth.uid() returns uuid language sql stable as 'select null::uuid';
        """)
        migrate.upgrade(url)
        with pytest.raises(ImportProblem, match=r"users: .*users_id_fkey.*is not present in table"):
            run(older, url, tmp_path)
        (tmp_path / "before.backup").unlink()
        people = rows(older, "select md5('person:' || id)::uuid, mail from person")
        with connection.cursor() as cursor:
            cursor.executemany("insert into auth.users values (%s, %s)", people)
    assert run(older, url, tmp_path).tables[0].table == "users"
    (tmp_path / "before.backup").unlink()
    with pytest.raises(ImportProblem, match=r"auth\.users is the identity provider's"):
        run(older, url, tmp_path, '["auth.users"]\nquery = "select 1"')


def replaced(old: str, new: str) -> Edit:
    assert old in MAPPING
    return lambda text: text.replace(old, new, 1)


BEFORE_WRITING = {
    "no TOML": (lambda _: "[users\n", r"map\.toml: Expected .*\(at line 1, column 7\)"),
    "nothing in it": (lambda _: "", r"names no table"),
    "an unknown table": (replaced("[tasks]", "[task]"), r"map\.toml:99: there is no table task to fill; is it tasks\."),
    "no query": (lambda text: text + "\n[auth.users]\nrows = 1\n", r"map\.toml:191: \[auth\.users\] needs query"),
    "an unknown key": (replaced("[tasks]\n", "[tasks]\nif = 1\n"), r"map\.toml:99: \[tasks\] has if; expected query alone"),
    "broken SQL": (replaced("from lesson_visit", "from lesson_visits"),
                   r'map\.toml:96: module_progress: the query fails: relation "lesson_visits" does not exist'),
    "an unknown column": (replaced("as due_date,\n       created at", "as due_on,\n       created at"),
                          r"map\.toml:\d+: goals\.due_on: there is no such column; not filled yet: category, description"),
    "a column twice": (replaced("person_id)::uuid as user_id,\n       name", "person_id)::uuid as id,\n       name"),
                       r"goals\.id: the query gives it 2 times"),
    "a wrong type": (replaced("created at time zone 'Europe/Madrid' as created_at\nfrom note", "created as created_at\nfrom note"),
                     r"documents\.created_at: is timestamp, expected timestamp with time zone; say whose time it is"),
    "a missing column": (replaced("       mail as email,\n", ""),
                         r"users\.email: is missing; it has no default and must not be null \(text\)"),
    "a null": (replaced("when 'done' then 'completed' ", ""), r"goals\.status: is null in 1 of 3 rows, and must not be"),
    "a vector of another size": (replaced("vector as embedding", "vector[1:384] as embedding"),
                                 r"document_embeddings\.embedding: has 384 dimensions, expected 1536"),
    "vectors of several sizes": (replaced("vector as embedding", "vector[1:383 + note_id] as embedding"),
                                 r"has 384 to 385 dimensions"),
    "a query that fails on its way": (replaced("position as order_index", "position / (position - 2) as order_index"),
                                      r"modules: the query fails: division by zero"),
    "a query that writes": (replaced("from note\n", "from note where nextval('note_id_seq') > 0\n"),
                            r"documents: the query fails: cannot execute nextval\(\) in a read-only transaction"),
}  # fmt: skip

WHILE_COPYING = {
    "a value that is not allowed": (replaced("then 'archived'", "then 'dropped'"),
                                    r'goals: .*violates check constraint "goals_status_check"; Failing row .*COPY goals, line 2'),
    "a row that is there twice": (replaced("md5('todo:' || id)::uuid", "md5('todo')::uuid"),
                                  r'tasks: duplicate key value violates unique constraint "tasks_pkey"; Key .*already exists'),
    "a reference to nothing": (replaced("lesson_id)::uuid as module_id,\n       name", "-lesson_id)::uuid as module_id,\n       name"),
                               r"tasks: .*violates foreign key constraint .*is not present in table \"modules\""),
    "a space under another's goal": (replaced("md5('person:' || a.person_id)::uuid as user_id", "md5('person:2')::uuid as user_id"),
                                     r"spaces: .*spaces_goal_of_same_user"),
    "a text that is too long": (replaced("path as slug", "repeat('x', 201) || path as slug"), r"blog_posts: .*blog_posts_lengths"),
    "a comment on nothing": (replaced("md5('note:' || note_id))::uuid", "md5('x' || note_id))::uuid"),
                             r"comments: there is no such resource"),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "message"), BEFORE_WRITING.values(), ids=BEFORE_WRITING.keys())
def test_what_is_wrong_is_said_before_anything_is_written(
    edit: Edit, message: str, older: str, empty: str, tmp_path: Path
) -> None:
    with pytest.raises(ImportProblem, match=message):
        run(older, empty, tmp_path, edit(MAPPING))
    assert not (tmp_path / "before.backup").exists()


@pytest.mark.parametrize(("edit", "message"), WHILE_COPYING.values(), ids=WHILE_COPYING.keys())
def test_what_the_tables_refuse_takes_everything_back(
    edit: Edit, message: str, older: str, empty: str, tmp_path: Path
) -> None:
    before = contents(empty)
    with pytest.raises(ImportProblem, match=re.compile(message + r".*Nothing was kept", re.DOTALL)):
        run(older, empty, tmp_path, edit(MAPPING))
    assert contents(empty) == before


@given(
    st.one_of(
        st.text(),
        st.integers(1, 3000).map(lambda n: "a = " + "[" * n),
        st.builds("[{}]\n{} = '{}'".format, st.text(), st.text(), st.text()),
    )
)
def test_whatever_stands_in_the_file_is_an_import_problem(text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "map.toml"
        file.write_text(text, "utf-8", errors="surrogatepass")
        with pytest.raises(ImportProblem) as found:
            read_mapping(file)
    assert all(problem.startswith(f"{file}") for problem in found.value.problems)


def test_all_that_is_wrong_is_told_at_once(older: str, empty: str, tmp_path: Path) -> None:
    broken = (
        MAPPING.replace("from lesson_visit", "from nowhere")
        .replace("as due_on", "as x")
        .replace("mail as email", "1 as email")
    )
    with pytest.raises(ImportProblem) as found:
        run(older, empty, tmp_path, broken)
    assert len(found.value.problems) == 2


def test_values_that_come_out_different_are_not_kept(older: str, new_schema: NewDatabase, tmp_path: Path) -> None:
    url = new_schema()
    with connect(url) as connection:
        connection.execute("""
            create function private.meddle() returns trigger language plpgsql set search_path = '' as
                'begin new.title := upper(new.title); new.description := null; return new; end';
            create trigger meddle before insert on public.spaces for each row execute function private.meddle();
        """)
    before = contents(url)
    with pytest.raises(ImportProblem) as found:
        run(older, url, tmp_path)
    assert [each.partition(": ")[2] for each in found.value.problems[:-1]] == [
        "spaces.title: holds other values than the query gave.",
        "spaces.description: has 0 values, the query gave 1.",
    ]
    assert contents(url) == before


def test_values_that_change_places_are_found(older: str, new_schema: NewDatabase, tmp_path: Path) -> None:
    url = new_schema()
    with connect(url) as connection:
        connection.execute("""
            create function private.swap() returns trigger language plpgsql set search_path = '' as $$
            begin
                new.title := case new.title when 'Sailing' then 'Danish' else 'Sailing' end;
                return new;
            end $$;
            create trigger swap before insert on public.spaces for each row execute function private.swap();
        """)
    with pytest.raises(ImportProblem, match=r"spaces\.title: holds other values than the query gave"):
        run(older, url, tmp_path)


def test_tables_that_hold_something_are_left_alone(older: str, new_schema: NewDatabase, tmp_path: Path) -> None:
    url = new_schema()
    run(older, url, tmp_path)
    (tmp_path / "before.backup").unlink()
    with pytest.raises(ImportProblem, match=r"map\.toml:38: goals holds 3 rows already"):
        run(older, url, tmp_path)


def test_neither_database_is_taken_for_granted(
    older: str, empty: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="--from: the old database cannot be reached"):
        run("postgresql://nobody@127.0.0.1:1/none", empty, tmp_path)
    for dsn in ("postgres//ada:secret@old/db", "secret"):
        with pytest.raises(ConfigurationError, match="--from: is no address such as") as refused:
            run(dsn, empty, tmp_path)
        assert "secret" not in refused.value.detail
    url = new_database()
    with pytest.raises(ImportProblem, match="The database is at revision none; run 'goalspace db upgrade' first"):
        run(older, url, tmp_path)
    with connect(url) as connection:
        connection.execute("drop role if exists importer")
        connection.execute("create role importer login password 'secret'")
    try:
        weak = make_url(empty).set(username="importer", password="secret").render_as_string(hide_password=False)
        with pytest.raises(ConfigurationError, match="does not see all rows"):
            run(older, weak, tmp_path)
    finally:
        with connect(url) as connection:
            connection.execute("drop role importer")
