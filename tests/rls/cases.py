"""The table of who may do what, cell by cell, in the real schema.

✓ allowed · – refused · `·` does not apply · else the visibilities of the space in which it is allowed: V private,
S shared, P public. Refused is SQLSTATE 42501 or 23503, or no row. The stranger is signed in and has nothing to do with
the space; `pending` was invited and has not accepted.
"""
# ruff: noqa: E501 - a table reads by its rows

from typing import Any, NamedTuple

import psycopg

from tests.rls.world import ACTORS, VISIBILITIES, World, acting, principal_of

LETTERS = {"private": "V", "shared": "S", "public": "P"}

REFUSALS = {"42501", "23503", "42809"}
"""42809: a materialised view is no table that could be written to."""


class Case(NamedTuple):
    table: str
    what: str
    cells: str
    sql: str

    @property
    def name(self) -> str:
        return f"{self.table}: {self.what}"


def case(table: str, what: str, cells: str, sql: str) -> Case:
    assert len(cells.split()) == len(ACTORS), what
    return Case(table, what, cells, " ".join(sql.split()))


NOBODY_BUT_SERVICE = "– – – – – – – ✓"
NOBODY = "– – – – – – – –"
SIGNED_IN = "· ✓ ✓ ✓ ✓ ✓ ✓ ·"
NOT_EVEN_OWN = "· – – – – – – ·"
READERS = "P P P SP SP SP ✓ ✓"
EDITORS = "– – – – SP SP ✓ ✓"
OWN_IN_REACH = "· P P SP SP SP ✓ ·"
OWN_OF_MEMBERS = "· – – SP SP SP ✓ ·"

PEOPLE = [
    case("users", "select another's", NOBODY_BUT_SERVICE, "select from users where id = %(other)s"),
    case("users", "select own", SIGNED_IN, "select from users where id = %(me)s"),
    case("users", "insert another's", NOBODY_BUT_SERVICE, "insert into users (id, email) values (%(unborn)s, 'n@x.org')"),
    case("users", "insert own", NOT_EVEN_OWN, "insert into users (id, email) values (%(me)s, 'n@x.org')"),
    case("users", "update another's", NOBODY_BUT_SERVICE, "update users set full_name = 'N' where id = %(other)s"),
    case("users", "update own name and picture", SIGNED_IN,
         "update users set full_name = 'N', avatar_url = 'https://x.org/a' where id = %(me)s"),
    case("users", "update own email", NOT_EVEN_OWN, "update users set email = 'n@x.org' where id = %(me)s"),
    case("users", "update own id", NOT_EVEN_OWN, "update users set id = %(unborn)s where id = %(me)s"),
    case("users", "delete another's", NOBODY_BUT_SERVICE, "delete from users where id = %(other)s"),
    case("users", "delete own", NOT_EVEN_OWN, "delete from users where id = %(me)s"),
    case("users", "see members' names", "– – – SP SP SP ✓ ·", "select from member_profiles(%(space)s)"),
    *(
        row
        for table, values in (
            ("subscriptions", "(user_id, tier, status, starts_at) values ({}, 'free', 'canceled', now())"),
            ("usage_logs", "(user_id, resource_type, action) values ({}, 'chat', 'turn')"),
        )
        for row in (
            case(table, "select another's", NOBODY_BUT_SERVICE, f"select from {table} where user_id = %(other)s"),
            case(table, "select own", SIGNED_IN, f"select from {table} where user_id = %(me)s"),
            case(table, "insert another's", NOBODY_BUT_SERVICE, f"insert into {table} {values.format('%(other)s')}"),
            case(table, "insert own", NOT_EVEN_OWN, f"insert into {table} {values.format('%(me)s')}"),
            case(table, "update another's", NOBODY_BUT_SERVICE,
                 f"update {table} set created_at = created_at where user_id = %(other)s"),
            case(table, "update own", NOT_EVEN_OWN, f"update {table} set created_at = created_at where user_id = %(me)s"),
            case(table, "delete another's", NOBODY_BUT_SERVICE, f"delete from {table} where user_id = %(other)s"),
            case(table, "delete own", NOT_EVEN_OWN, f"delete from {table} where user_id = %(me)s"),
        )
    ),
    *(
        row
        for table, change, values in (
            ("usage_counters", "tokens = 0", "(user_id, period) values ({}, '2001-01-01')"),
            ("holdings", "amount = 0", "(user_id, resource, amount) values ({}, 'storage', 0)"
                " on conflict (user_id, resource) do update set amount = 0"),
        )
        for row in (
            case(table, "select another's", NOBODY_BUT_SERVICE,
                 f"select from assistant.{table} where user_id = %(other)s"),
            case(table, "select own", SIGNED_IN, f"select from assistant.{table} where user_id = %(me)s"),
            case(table, "insert another's", NOBODY_BUT_SERVICE,
                 f"insert into assistant.{table} {values.format('%(other)s')}"),
            case(table, "insert own", NOT_EVEN_OWN, f"insert into assistant.{table} {values.format('%(me)s')}"),
            case(table, "update another's", NOBODY_BUT_SERVICE,
                 f"update assistant.{table} set {change} where user_id = %(other)s"),
            case(table, "update own", NOT_EVEN_OWN, f"update assistant.{table} set {change} where user_id = %(me)s"),
            case(table, "delete another's", NOBODY_BUT_SERVICE,
                 f"delete from assistant.{table} where user_id = %(other)s"),
            case(table, "delete own", NOT_EVEN_OWN, f"delete from assistant.{table} where user_id = %(me)s"),
        )
    ),
    case("plans", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.plans"),
    case("plans", "update", NOBODY_BUT_SERVICE,
         "insert into assistant.plans (tier) values ('pro') on conflict (tier) do update set tier = 'pro'"),
    case("reservations", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.reservations"),
    case("reservations", "insert", NOBODY_BUT_SERVICE,
         "insert into assistant.reservations (id, user_id, period) values (gen_random_uuid(), %(other)s, '2001-01-01')"),
    case("reservations", "set aside", NOBODY_BUT_SERVICE,
         "select assistant.reserve_usage(gen_random_uuid(), %(other)s, 1, 0, null, '1 minute')"),
    case("reservations", "settle", NOBODY_BUT_SERVICE, "select assistant.settle_usage(gen_random_uuid(), '[]')"),
    case("reservations", "settle expired", NOBODY_BUT_SERVICE, "select assistant.settle_expired()"),
    case("reservations", "extend", NOBODY_BUT_SERVICE,
         "select assistant.extend_reservation(gen_random_uuid(), 1, 1, 0, '[]', null)"),
    case("space_holdings", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.space_holdings"),
    case("space_holdings", "update", NOBODY, "update assistant.space_holdings set documents = 0"),
    case("installation_stop", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.installation_stop"),
    case("installation_stop", "lift", NOBODY_BUT_SERVICE,
         "insert into assistant.installation_stop (tokens) values (1) on conflict (single) do update set stopped_at = null"),
    case("installation_usage", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.installation_usage"),
    case("installation_usage", "delete", NOBODY_BUT_SERVICE,
         "insert into assistant.installation_usage (period) values ('2001-01-01')"),
    case("usage_logs", "name a partition", "– – – – – – – ·", "select count(*) from partitions.usage_logs_default"),
    case("user_preferences", "select another's", NOBODY_BUT_SERVICE,
         "select from user_preferences where user_id = %(other)s"),
    case("user_preferences", "select own", SIGNED_IN, "select from user_preferences where user_id = %(me)s"),
    case("user_preferences", "insert another's", NOBODY_BUT_SERVICE,
         "insert into user_preferences (user_id) values (%(other)s)"),
    case("user_preferences", "insert own", SIGNED_IN,
         "insert into user_preferences (user_id) values (%(me)s) on conflict (user_id) do update set theme = 'dark'"),
    case("user_preferences", "update another's", NOBODY_BUT_SERVICE,
         "update user_preferences set theme = 'dark' where user_id = %(other)s"),
    case("user_preferences", "update own", SIGNED_IN, "update user_preferences set theme = 'dark' where user_id = %(me)s"),
    case("user_preferences", "give own away", NOT_EVEN_OWN,
         "update user_preferences set user_id = %(unborn)s where user_id = %(me)s"),
    case("user_preferences", "delete another's", NOBODY_BUT_SERVICE,
         "delete from user_preferences where user_id = %(other)s"),
    case("user_preferences", "delete own", SIGNED_IN, "delete from user_preferences where user_id = %(me)s"),
]  # fmt: skip

GOALS = [
    case("goals", "select the space owner's", "– – – – – – · ✓", "select from goals where id = %(owners_goal)s"),
    case("goals", "select own", SIGNED_IN, "select from goals where user_id = %(me)s"),
    case("goals", "select another's", NOBODY_BUT_SERVICE, "select from goals where user_id = %(other)s"),
    case("goals", "insert another's", NOBODY_BUT_SERVICE, "insert into goals (user_id, title) values (%(other)s, 'New')"),
    case("goals", "insert own", SIGNED_IN, "insert into goals (user_id, title) values (%(me)s, 'New')"),
    case("goals", "update another's", NOBODY_BUT_SERVICE, "update goals set title = 'New' where id = %(others_goal)s"),
    case("goals", "update own", SIGNED_IN, "update goals set title = 'New' where id = %(my_goal)s"),
    case("goals", "give own away", NOT_EVEN_OWN, "update goals set user_id = %(other)s where id = %(my_goal)s"),
    case("goals", "delete another's", NOBODY_BUT_SERVICE, "delete from goals where id = %(others_goal)s"),
    case("goals", "delete own", SIGNED_IN, "delete from goals where id = %(my_goal)s"),
]  # fmt: skip

SPACES = [
    case("spaces", "select", READERS, "select from spaces where id = %(space)s"),
    case("spaces", "insert for another", NOBODY_BUT_SERVICE,
         "insert into spaces (goal_id, user_id, title) values (%(others_goal)s, %(other)s, 'New')"),
    case("spaces", "insert for own goal", SIGNED_IN,
         "insert into spaces (goal_id, user_id, title) values (%(my_goal)s, %(me)s, 'New')"),
    case("spaces", "insert under another's goal", NOT_EVEN_OWN,
         "insert into spaces (goal_id, user_id, title) values (%(others_goal)s, %(me)s, 'New')"),
    case("spaces", "update title and mentor", "– – – – – SP ✓ ✓",
         "update spaces set title = 'New', description = 'd', theme = 't', ai_mentor_config = '{}' where id = %(space)s"),
    case("spaces", "update visibility", "– – – – – – ✓ ✓",
         "update spaces set visibility = case visibility when 'public' then 'shared' else 'public' end "
         "where id = %(space)s"),
    case("spaces", "update owner", NOBODY_BUT_SERVICE,
         "update spaces set user_id = %(other)s, goal_id = %(others_goal)s where id = %(space)s"),
    case("spaces", "delete", "– – – – – – ✓ ✓", "delete from spaces where id = %(space)s"),
]  # fmt: skip

CONTENT = [
    *(
        row
        for table, row_id, columns, values in (
            ("modules", "module", "(space_id, title, content_type)", "(%(space)s, 'New', 'text')"),
            ("tasks", "task", "(space_id, title)", "(%(space)s, 'New')"),
            ("documents", "document", "(space_id, title, content)", "(%(space)s, 'New', 'Text.')"),
        )
        for row in (
            case(table, "select", READERS, f"select from {table} where id = %({row_id})s"),
            case(table, "insert", EDITORS, f"insert into {table} {columns} values {values} returning id"),
            case(table, "update", EDITORS, f"update {table} set title = 'New' where id = %({row_id})s returning id"),
            case(table, "move to another space", "– – – – – – – ·",
                 f"update {table} set space_id = %(elsewhere)s where id = %({row_id})s"),
            case(table, "delete", EDITORS, f"delete from {table} where id = %({row_id})s"),
        )
    ),
    case("tasks", "insert with a module of another space", NOBODY,
         "insert into tasks (space_id, module_id, title) values (%(space)s, %(module_elsewhere)s, 'New')"),
    case("tasks", "update to a module of another space", NOBODY,
         "update tasks set module_id = %(module_elsewhere)s where id = %(task)s"),
    case("document_embeddings", "select", READERS, "select from document_embeddings where id = %(chunk)s"),
    case("document_embeddings", "insert", NOBODY_BUT_SERVICE,
         "insert into document_embeddings (document_id, chunk_index, chunk_text, embedding) "
         "values (%(document)s, 1, 'Text.', array_fill(1, array[1536])::vector)"),
    case("document_embeddings", "update", NOBODY_BUT_SERVICE,
         "update document_embeddings set chunk_text = 'New' where id = %(chunk)s"),
    case("document_embeddings", "delete", NOBODY_BUT_SERVICE, "delete from document_embeddings where id = %(chunk)s"),
]  # fmt: skip

CHATS = [
    case("chat_messages", "select another's", NOBODY_BUT_SERVICE,
         "select from chat_messages where id = %(others_message)s"),
    case("chat_messages", "select own", OWN_IN_REACH, "select from chat_messages where id = %(my_message)s"),
    case("chat_messages", "name a partition", "– – – – – – – ·", "select count(*) from partitions.chat_messages_default"),
    case("chat_messages", "insert for another", NOBODY_BUT_SERVICE,
         "insert into chat_messages (space_id, user_id, message) values (%(space)s, %(other)s, 'Hi')"),
    case("chat_messages", "insert own", OWN_OF_MEMBERS,
         "insert into chat_messages (space_id, user_id, message) values (%(space)s, %(me)s, 'Hi')"),
    case("chat_messages", "insert as the mentor", NOT_EVEN_OWN,
         "insert into chat_messages (space_id, user_id, is_from_user, message) values (%(space)s, %(me)s, false, 'Hi')"),
    case("chat_messages", "update another's", NOBODY_BUT_SERVICE,
         "update chat_messages set message = 'New' where id = %(others_message)s"),
    case("chat_messages", "update own", NOT_EVEN_OWN,
         "update chat_messages set message = 'New' where id = %(my_message)s"),
    case("chat_messages", "delete another's", NOBODY_BUT_SERVICE,
         "delete from chat_messages where id = %(others_message)s"),
    case("chat_messages", "delete own", OWN_IN_REACH, "delete from chat_messages where id = %(my_message)s"),
]  # fmt: skip

POSTS = [
    case("blog_posts", "select published", "✓ ✓ ✓ ✓ ✓ ✓ ✓ ✓", "select from blog_posts where id = %(others_published)s"),
    case("blog_posts", "select another's draft", NOBODY_BUT_SERVICE, "select from blog_posts where id = %(others_draft)s"),
    case("blog_posts", "select another's future post", NOBODY_BUT_SERVICE,
         "select from blog_posts where id = %(others_future)s"),
    case("blog_posts", "select own draft", SIGNED_IN, "select from blog_posts where id = %(my_draft)s"),
    case("blog_posts", "insert for another", NOBODY_BUT_SERVICE,
         "insert into blog_posts (author_id, title, slug, content) values (%(other)s, 'New', %(slug)s, '…')"),
    case("blog_posts", "insert own", SIGNED_IN,
         "insert into blog_posts (author_id, title, slug, content) values (%(me)s, 'New', %(slug)s, '…')"),
    case("blog_posts", "update another's", NOBODY_BUT_SERVICE,
         "update blog_posts set title = 'New' where id = %(others_published)s"),
    case("blog_posts", "update an orphan", NOBODY_BUT_SERVICE, "update blog_posts set title = 'New' where id = %(orphan)s"),
    case("blog_posts", "update own", SIGNED_IN, "update blog_posts set title = 'New' where id = %(my_draft)s"),
    case("blog_posts", "give own away", NOT_EVEN_OWN, "update blog_posts set author_id = %(other)s where id = %(my_draft)s"),
    case("blog_posts", "delete another's", NOBODY_BUT_SERVICE, "delete from blog_posts where id = %(others_published)s"),
    case("blog_posts", "delete an orphan", NOBODY_BUT_SERVICE, "delete from blog_posts where id = %(orphan)s"),
    case("blog_posts", "date own", SIGNED_IN,
         "update blog_posts set published_at = '2999-01-01 00:00+00' where id = %(my_draft)s"),
    case("blog_posts", "see who published", "✓ ✓ ✓ ✓ ✓ ✓ ✓ ·", "select from blog_authors(array[%(viewer2)s]::uuid[])"),
    case("blog_posts", "see who published nothing", "– – – – – – – ·", "select from blog_authors(array[%(silent)s]::uuid[])"),
    case("blog_posts", "delete own", SIGNED_IN, "delete from blog_posts where id = %(my_draft)s"),
]  # fmt: skip

PROGRESS = [
    case("module_progress", "select another's", NOBODY_BUT_SERVICE,
         "select from module_progress where module_id = %(module)s and user_id = %(other)s"),
    case("module_progress", "select own", SIGNED_IN,
         "select from module_progress where module_id = %(module)s and user_id = %(me)s"),
    case("module_progress", "insert another's", NOBODY_BUT_SERVICE,
         "insert into module_progress (module_id, user_id) values (%(module2)s, %(other)s)"),
    case("module_progress", "insert own", OWN_IN_REACH,
         "insert into module_progress (module_id, user_id) values (%(module2)s, %(me)s)"),
    case("module_progress", "update another's", NOBODY_BUT_SERVICE,
         "update module_progress set completion_percentage = 20 where module_id = %(module)s and user_id = %(other)s"),
    case("module_progress", "update own", OWN_IN_REACH,
         "update module_progress set completion_percentage = 20 where module_id = %(module)s and user_id = %(me)s"),
    case("module_progress", "delete another's", NOBODY_BUT_SERVICE,
         "delete from module_progress where module_id = %(module)s and user_id = %(other)s"),
    case("module_progress", "delete own", SIGNED_IN,
         "delete from module_progress where module_id = %(module)s and user_id = %(me)s"),
]  # fmt: skip

INVITE = "insert into space_collaborators (space_id, user_id, role) values (%(space)s, {}, {})"
MEMBERSHIP = [
    case("space_collaborators", "select another's", "– – – SP SP SP ✓ ✓",
         "select from space_collaborators where space_id = %(space)s and user_id = %(viewer2)s"),
    case("space_collaborators", "select own", "· · ✓ ✓ ✓ ✓ · ·",
         "select from space_collaborators where space_id = %(space)s and user_id = %(me)s"),
    case("space_collaborators", "invite as viewer", "– – – – – SP ✓ ✓", INVITE.format("%(newcomer)s", "'viewer'")),
    case("space_collaborators", "invite as admin", "– – – – – – ✓ ✓", INVITE.format("%(newcomer)s", "'admin'")),
    case("space_collaborators", "invite as accepted", "– – – – – – – ·",
         "insert into space_collaborators (space_id, user_id, accepted_at) values (%(space)s, %(newcomer)s, now())"),
    *(
        case("space_collaborators", f"add oneself as {role}", "· – · · · · – ·", INVITE.format("%(me)s", f"'{role}'"))
        for role in ("viewer", "editor", "admin")
    ),
    case("space_collaborators", "make a viewer editor", "– – – – – SP ✓ ✓",
         "update space_collaborators set role = 'editor' where space_id = %(space)s and user_id = %(viewer2)s"),
    case("space_collaborators", "make a viewer admin", "– – – – – – ✓ ✓",
         "update space_collaborators set role = 'admin' where space_id = %(space)s and user_id = %(viewer2)s"),
    case("space_collaborators", "make another admin viewer", "– – – – – – ✓ ✓",
         "update space_collaborators set role = 'viewer' where space_id = %(space)s and user_id = %(admin2)s"),
    case("space_collaborators", "raise oneself", "· · – – – · · ·",
         "update space_collaborators set role = 'admin' where space_id = %(space)s and user_id = %(me)s"),
    case("space_collaborators", "accept by hand", "· · – · · · · ·",
         "update space_collaborators set accepted_at = now(), role = 'admin' "
         "where space_id = %(space)s and user_id = %(me)s"),
    case("space_collaborators", "remove a viewer", "– – – – – SP ✓ ✓",
         "delete from space_collaborators where space_id = %(space)s and user_id = %(viewer2)s"),
    case("space_collaborators", "remove another admin", "– – – – – – ✓ ✓",
         "delete from space_collaborators where space_id = %(space)s and user_id = %(admin2)s"),
    case("space_collaborators", "leave or decline", "· · ✓ ✓ ✓ ✓ · ·",
         "delete from space_collaborators where space_id = %(space)s and user_id = %(me)s"),
    case("space_collaborators", "accept", "– – ✓ – – – – ·",
         "select from (select accept_invitation(%(space)s) as accepted) a where accepted"),
]  # fmt: skip

BY_ADDRESS = (
    "insert into assistant.invitations (space_id, email, role, invited_by, secret_hash) "
    "values (%(space)s, 'new@example.org', {}, {}, sha256('x'))"
)
INVITATIONS = [
    case("invitations", "select", "– – – – – SP ✓ ✓", "select id from assistant.invitations where id = %(invitation)s"),
    case("invitations", "see whose address it is", NOBODY_BUT_SERVICE,
         "select for_account from assistant.invitations where id = %(invitation)s"),
    case("invitations", "see what the link holds", NOBODY_BUT_SERVICE,
         "select secret_hash from assistant.invitations where id = %(invitation)s"),
    case("invitations", "invite as viewer", "– – – – – SP ✓ ·", BY_ADDRESS.format("'viewer'", "%(me)s")),
    case("invitations", "invite as admin", "– – – – – – ✓ ·", BY_ADDRESS.format("'admin'", "%(me)s")),
    case("invitations", "invite in another's name", NOBODY_BUT_SERVICE, BY_ADDRESS.format("'viewer'", "%(viewer2)s")),
    case("invitations", "make the viewer editor", "– – – – – SP ✓ ✓",
         "update assistant.invitations set role = 'editor' where id = %(invitation)s"),
    case("invitations", "make the viewer admin", "– – – – – – ✓ ✓",
         "update assistant.invitations set role = 'admin' where id = %(invitation)s"),
    case("invitations", "send it to another address", NOBODY_BUT_SERVICE,
         "update assistant.invitations set email = 'new@example.org' where id = %(invitation)s"),
    case("invitations", "withdraw", "– – – – – SP ✓ ✓", "delete from assistant.invitations where id = %(invitation)s"),
    case("invitations", "be told of it", "– – ✓ – – – – ·",
         "select from assistant.my_invitations() where id = %(invitation)s"),
    case("invitations", "take it up", "– – ✓ – – – – ·",
         "select from (select assistant.take_invitation(%(invitation)s) as space) t where space is not null"),
    case("invitations", "take it up with the link", "– ✓ ✓ ✓ ✓ ✓ ✓ ·",
         "select from (select assistant.take_invitation_link(%(invitation)s, 'secret') as space) t where space is not null"),
    case("invitations", "take it up with another link", "– – – – – – – ·",
         "select from (select assistant.take_invitation_link(%(invitation)s, 'x') as space) t where space is not null"),
    case("invitations", "decline", "– – ✓ – – – – ·",
         "select from (select assistant.decline_invitation(%(invitation)s) as gone) d where gone"),
    case("outbox", "select", NOBODY_BUT_SERVICE, "select from assistant.outbox where invitation_id = %(invitation)s"),
    case("outbox", "insert", NOBODY_BUT_SERVICE,
         "insert into assistant.outbox (kind, user_id, day) values ('due_tasks', %(other)s, '2026-11-25')"),
    case("outbox", "update", NOBODY_BUT_SERVICE,
         "update assistant.outbox set due_at = now() where invitation_id = %(invitation)s"),
    case("departures", "select", NOBODY_BUT_SERVICE, "select from assistant.departures where person = sha256('x')"),
    case("departures", "insert", NOBODY_BUT_SERVICE, "insert into assistant.departures (person) values (sha256('y'))"),
    case("departures", "update", NOBODY_BUT_SERVICE,
         "update assistant.departures set left_at = now() where person = sha256('x')"),
    case("departures", "delete", NOBODY_BUT_SERVICE, "delete from assistant.departures where person = sha256('x')"),
    case("outbox", "delete", NOBODY_BUT_SERVICE, "delete from assistant.outbox where invitation_id = %(invitation)s"),
]  # fmt: skip

COMMENT = "insert into comments (user_id, resource_type, resource_id, content) values ({}, 'module', %(module)s, 'New')"
COMMENTS = [
    case("comments", "select", READERS, "select from comments where id = %(owners_comment)s"),
    case("comments", "insert for another", NOBODY_BUT_SERVICE, COMMENT.format("%(other)s")),
    case("comments", "insert own", OWN_OF_MEMBERS, COMMENT.format("%(me)s")),
    case("comments", "answer a comment on something else", "· – – – – – – ·",
         "insert into comments (user_id, resource_type, resource_id, content, parent_id) "
         "values (%(me)s, 'task', %(task)s, 'New', %(owners_comment)s)"),
    case("comments", "answer a comment on something else, as the service", "· · · · · · · –",
         "insert into comments (user_id, resource_type, resource_id, content, parent_id) "
         "values (%(other)s, 'task', %(task)s, 'New', %(owners_comment)s)"),
    case("comments", "update another's", NOBODY_BUT_SERVICE,
         "update comments set content = 'New' where id = %(others_comment)s"),
    case("comments", "update own", OWN_OF_MEMBERS, "update comments set content = 'New' where id = %(my_comment)s"),
    case("comments", "move own", NOT_EVEN_OWN, "update comments set resource_id = %(module2)s where id = %(my_comment)s"),
    case("comments", "give own away", NOT_EVEN_OWN, "update comments set user_id = %(other)s where id = %(my_comment)s"),
    case("comments", "move under another comment", NOT_EVEN_OWN,
         "update comments set parent_id = %(owners_comment)s where id = %(my_comment)s"),
    case("comments", "move under another comment, as the service", "· · · · · · · –",
         "update comments set parent_id = %(owners_comment)s where id = %(others_comment)s"),
    case("comments", "answer itself", "– – – – – – – –",
         "insert into comments (id, user_id, resource_type, resource_id, content, parent_id) "
         "values (%(unborn)s, %(other)s, 'module', %(module)s, 'New', %(unborn)s)"),
    case("comments", "delete another's", "– – – – – SP ✓ ✓", "delete from comments where id = %(others_comment)s"),
    case("comments", "delete own", OWN_OF_MEMBERS, "delete from comments where id = %(my_comment)s"),
]  # fmt: skip

SUMMARIES = [
    case("space_summaries", "through the function", "– – – SP SP SP ✓ ·",
         "select from my_space_summaries() where space_id = %(space)s"),
    case("space_summaries", "live, through the function", "– – – SP SP SP ✓ ·",
         "select from assistant.space_summary(%(space)s)"),
    case("space_summaries", "select directly", NOBODY_BUT_SERVICE,
         "select from space_summaries where space_id = %(space)s"),
    case("space_summaries", "insert directly", NOBODY, "insert into space_summaries (space_id) values (%(space)s)"),
    case("space_summaries", "update directly", NOBODY, "update space_summaries set title = 'New'"),
    case("space_summaries", "delete directly", NOBODY, "delete from space_summaries"),
    case("space_summaries", "refresh", NOBODY_BUT_SERVICE, "select assistant.refresh_space_summaries()"),
]  # fmt: skip

OWN_ANSWER = (
    "insert into assistant.stored_answers (user_id, request, body_hash, status, answer) "
    "values ({}, sha256('two'), sha256('two'), 201, '{{}}')"
)
OWN_KEY = (
    "insert into assistant.api_keys (user_id, name, prefix, key_hash, scopes) "
    "values ({}, 'new', 'gsk_12345678', sha256('new'), array['read'])"
)
REQUESTS = [
    case("stored_answers", "select another's", NOBODY_BUT_SERVICE,
         "select from assistant.stored_answers where user_id = %(other)s"),
    case("stored_answers", "select own", SIGNED_IN, "select from assistant.stored_answers where user_id = %(me)s"),
    case("stored_answers", "insert another's", NOBODY, OWN_ANSWER.format("%(other)s")),
    case("stored_answers", "insert own", SIGNED_IN, OWN_ANSWER.format("%(me)s")),
    case("stored_answers", "update own", "· – – – – – – –",
         "update assistant.stored_answers set status = 200 where user_id = %(me)s"),
    case("stored_answers", "delete another's", NOBODY_BUT_SERVICE,
         "delete from assistant.stored_answers where user_id = %(other)s"),
    case("stored_answers", "delete own", SIGNED_IN, "delete from assistant.stored_answers where user_id = %(me)s"),
    case("api_keys", "select another's", NOBODY_BUT_SERVICE,
         "select id, scopes from assistant.api_keys where user_id = %(other)s"),
    case("api_keys", "select own", SIGNED_IN, "select id, scopes from assistant.api_keys where user_id = %(me)s"),
    case("api_keys", "select what is stored of own", NOT_EVEN_OWN,
         "select key_hash from assistant.api_keys where user_id = %(me)s"),
    case("api_keys", "insert another's", NOBODY, OWN_KEY.format("%(other)s")),
    case("api_keys", "insert own", SIGNED_IN, OWN_KEY.format("%(me)s")),
    case("api_keys", "update own", NOT_EVEN_OWN,
         "update assistant.api_keys set scopes = array['write'] where user_id = %(me)s"),
    case("api_keys", "lengthen own", NOT_EVEN_OWN,
         "update assistant.api_keys set expires_at = null where user_id = %(me)s"),
    case("api_keys", "delete another's", NOBODY_BUT_SERVICE, "delete from assistant.api_keys where user_id = %(other)s"),
    case("api_keys", "delete own", SIGNED_IN, "delete from assistant.api_keys where user_id = %(me)s"),
]  # fmt: skip

UPKEEP = [
    case("upkeep", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.upkeep"),
    case("upkeep", "insert", NOBODY_BUT_SERVICE, "insert into assistant.upkeep (step, seconds) values ('new', 1)"),
    case("summary_changes", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.summary_changes"),
    case("summary_changes", "insert", NOBODY_BUT_SERVICE, "insert into assistant.summary_changes default values"),
    case("billing_events", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.billing_events"),
    case("billing_events", "insert", NOBODY_BUT_SERVICE, "insert into assistant.billing_events (id) values ('new')"),
    case("billing_events", "update", NOBODY, "update assistant.billing_events set received_at = now()"),
    *(
        case("upkeep", call.partition("(")[0], NOBODY_BUT_SERVICE, f"select count(*) from assistant.{call}")
        for call in (
            "ensure_partitions(1)",
            "stray_months()",
            "prepare_month('chat_messages', date_trunc('month', now() at time zone 'UTC')::date)",
            "move_month('chat_messages', date_trunc('month', now() at time zone 'UTC')::date)",
            "detach_months('usage_logs', 1200, '2026-11-01')",
            "drop_detached_months('usage_logs', 1200, '2026-11-01')",
            "refresh_stale_summaries('1 hour')",
            "refresh_statistics('learning')",
        )
    ),
]

OF_RUNS = {
    "runs": ("id", "update assistant.runs set thread_id = 'x'"),
    "run_events": ("run_id", "update assistant.run_events set event = '{}'"),
    "run_steps": ("run_id", "update assistant.run_steps set blocks = '[]'"),
    "citations": ("run_id", "update assistant.citations set quote = 'x'"),
}

OF_THREAD = "(user_id, space_id, thread_id) = (%(me)s, %(space)s, 't')"
OF_OTHERS_THREAD = "(user_id, space_id, thread_id) = (%(other)s, %(space)s, 't')"

BEGIN_TURN = (
    "select from assistant.begin_turn(%(space)s, 't2', %(slug)s, %(slug)s, 'Why?', 'web', '', '{}', %(unborn)s, '1 s') "
    "where outcome = 'started'"
)

PROPOSE = (
    "insert into assistant.mentor_actions (user_id, space_id, run_id, call_id, tool, arguments, status, expires_at)"
    " values ({}, %(space)s, {}, 'two', 'create_goal', '{{}}', '{}', now())"
)
RESUME_TURN = (
    "select from assistant.resume_turn(%(space)s, 't', %(slug)s, jsonb_build_array(jsonb_build_object("
    "'id', {}::uuid, 'approved', true)), 'web', '', '{{}}', %(unborn)s, '1 s') where outcome = 'started'"
)

CONVERSATIONS = [
    *(
        row
        for table, (key, change) in OF_RUNS.items()
        for row in (
            case(table, "select own", OWN_IN_REACH, f"select from assistant.{table} where {key} = %(my_run)s"),
            case(table, "select another's", NOBODY_BUT_SERVICE,
                 f"select from assistant.{table} where {key} = %(others_run)s"),
            case(table, "update own", NOT_EVEN_OWN, f"{change} where {key} = %(my_run)s"),
            case(table, "update another's", NOBODY_BUT_SERVICE, f"{change} where {key} = %(others_run)s"),
            case(table, "delete own", NOT_EVEN_OWN, f"delete from assistant.{table} where {key} = %(my_run)s"),
            case(table, "delete another's", NOBODY_BUT_SERVICE,
                 f"delete from assistant.{table} where {key} = %(others_run)s"),
        )
    ),
    case("runs", "insert own", NOT_EVEN_OWN,
         "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until) "
         "values (%(me)s, %(space)s, 't3', 'new', %(unborn)s, now())"),
    case("runs", "begin a turn", OWN_OF_MEMBERS, BEGIN_TURN),
    case("runs", "ask that own stops", OWN_IN_REACH,
         "select from assistant.request_cancel((select client_run_id from assistant.runs where id = %(my_run)s))"),
    case("runs", "go back before another's", NOBODY,
         "select from assistant.begin_branch('replaces', %(others_run)s::text, %(space)s, 't', %(slug)s, %(slug)s, "
         "'Why?', 'web', '', '{}', %(unborn)s, '1 s') where outcome = 'started'"),
    case("runs", "go back before own", OWN_OF_MEMBERS,
         "select from assistant.begin_branch('replaces', %(my_run)s::text, %(space)s, 't', %(slug)s, %(slug)s, 'Why?', "
         "'web', '', '{}', %(unborn)s, '1 s') where outcome = 'started'"),
    case("runs", "begin again", OWN_OF_MEMBERS,
         "select from assistant.begin_again(%(space)s, 't', %(slug)s, %(my_run)s::text, 'web', '', '{}', %(unborn)s, "
         "'1 s') where outcome = 'started'"),
    case("runs", "begin another's again", NOBODY,
         "select from assistant.begin_again(%(space)s, 't', %(slug)s, %(others_run)s::text, 'web', '', '{}', "
         "%(unborn)s, '1 s') where outcome = 'started'"),
    case("runs", "show another's version", NOBODY,
         "select from assistant.show_version(%(others_message)s) o where o = 'shown'"),
    case("threads", "select own", OWN_IN_REACH, f"select from assistant.threads where {OF_THREAD}"),
    case("threads", "select another's", NOBODY_BUT_SERVICE, f"select from assistant.threads where {OF_OTHERS_THREAD}"),
    case("threads", "insert own", NOT_EVEN_OWN,
         "insert into assistant.threads (user_id, space_id, thread_id) values (%(me)s, %(space)s, 't9')"),
    case("threads", "rename own", OWN_IN_REACH, f"update assistant.threads set title = 'New' where {OF_THREAD}"),
    case("threads", "rename another's", NOBODY_BUT_SERVICE,
         f"update assistant.threads set title = 'New' where {OF_OTHERS_THREAD}"),
    case("threads", "change what was made of own", NOT_EVEN_OWN,
         f"update assistant.threads set made_title = 'New' where {OF_THREAD}"),
    case("threads", "delete own row", NOT_EVEN_OWN, f"delete from assistant.threads where {OF_THREAD}"),
    case("threads", "delete another's row", NOBODY_BUT_SERVICE,
         f"delete from assistant.threads where {OF_OTHERS_THREAD}"),
    case("threads", "delete own with everything", OWN_IN_REACH,
         "select from assistant.delete_thread(%(space)s, 't') gone where gone"),
    case("thread_summaries", "select own", OWN_IN_REACH,
         "select from assistant.thread_summaries where run_id = %(my_run)s"),
    case("thread_summaries", "select another's", NOBODY_BUT_SERVICE,
         "select from assistant.thread_summaries where run_id = %(others_run)s"),
    case("thread_summaries", "insert own", NOT_EVEN_OWN,
         "insert into assistant.thread_summaries (run_id, user_id, summary, tainted, turns, tokens, prompt_name, "
         "prompt_version, prompt_hash, model) values (%(unborn)s, %(me)s, 's', false, 1, 1, 'p', '1', 'h', 'm')"),
    case("thread_summaries", "update own", NOT_EVEN_OWN,
         "update assistant.thread_summaries set summary = 'x' where run_id = %(my_run)s"),
    case("thread_summaries", "delete own", OWN_IN_REACH,
         "delete from assistant.thread_summaries where run_id = %(my_run)s"),
    case("thread_summaries", "delete another's", NOBODY_BUT_SERVICE,
         "delete from assistant.thread_summaries where run_id = %(others_run)s"),
    case("feedback", "select own", OWN_IN_REACH, "select from assistant.feedback where run_id = %(my_run)s"),
    case("feedback", "select another's", NOBODY_BUT_SERVICE,
         "select from assistant.feedback where run_id = %(others_run)s"),
    case("feedback", "insert on another's", NOBODY,
         "insert into assistant.feedback (run_id, user_id, value) values (%(others_run)s, %(me)s, 1) "
         "on conflict (run_id) do nothing returning 1"),
    case("feedback", "insert as another", NOBODY,
         "insert into assistant.feedback (run_id, user_id, value) values (%(my_run)s, %(other)s, 1) "
         "on conflict (run_id) do nothing returning 1"),
    case("feedback", "update own", OWN_IN_REACH, "update assistant.feedback set value = -1 where run_id = %(my_run)s"),
    case("feedback", "update another's", NOBODY_BUT_SERVICE,
         "update assistant.feedback set value = -1 where run_id = %(others_run)s"),
    case("feedback", "delete own", NOT_EVEN_OWN, "delete from assistant.feedback where run_id = %(my_run)s"),
    case("mentor_actions", "select own", OWN_IN_REACH, "select from assistant.mentor_actions where id = %(my_action)s"),
    case("mentor_actions", "select another's", NOBODY_BUT_SERVICE,
         "select from assistant.mentor_actions where id = %(others_action)s"),
    case("mentor_actions", "tell how own stands", OWN_IN_REACH,
         "select assistant.action_status(a) from assistant.mentor_actions a where id = %(my_action)s"),
    case("mentor_actions", "propose in own run", OWN_IN_REACH, PROPOSE.format("%(me)s", "%(my_run)s", "proposed")),
    case("mentor_actions", "propose in another's run", NOT_EVEN_OWN,
         PROPOSE.format("%(me)s", "%(others_run)s", "proposed")),
    case("mentor_actions", "insert another's", NOBODY_BUT_SERVICE,
         PROPOSE.format("%(other)s", "%(others_run)s", "proposed")),
    case("mentor_actions", "insert as approved", NOT_EVEN_OWN, PROPOSE.format("%(me)s", "%(my_run)s", "approved")),
    case("mentor_actions", "approve own", OWN_IN_REACH,
         "update assistant.mentor_actions set status = 'approved' where id = %(my_action)s"),
    case("mentor_actions", "approve another's", NOBODY_BUT_SERVICE,
         "update assistant.mentor_actions set status = 'approved' where id = %(others_action)s"),
    case("mentor_actions", "say of own that it is done, unapproved", NOT_EVEN_OWN,
         "update assistant.mentor_actions set status = 'executed', executed_at = now() where id = %(my_action)s"),
    case("mentor_actions", "give own to another", NOT_EVEN_OWN,
         "update assistant.mentor_actions set user_id = %(other)s where id = %(my_action)s"),
    case("mentor_actions", "lengthen own", NOT_EVEN_OWN,
         "update assistant.mentor_actions set expires_at = '3000-01-01' where id = %(my_action)s"),
    case("mentor_actions", "delete own", NOT_EVEN_OWN, "delete from assistant.mentor_actions where id = %(my_action)s"),
    case("mentor_actions", "delete another's", NOBODY_BUT_SERVICE,
         "delete from assistant.mentor_actions where id = %(others_action)s"),
    case("mentor_actions", "answer own in a turn", OWN_OF_MEMBERS, RESUME_TURN.format("%(my_action)s")),
    case("mentor_actions", "answer another's in a turn", NOT_EVEN_OWN, RESUME_TURN.format("%(others_action)s")),
    case("message_keys", "select own", SIGNED_IN, "select from assistant.message_keys where user_id = %(me)s"),
    case("message_keys", "select another's", NOBODY_BUT_SERVICE,
         "select from assistant.message_keys where user_id = %(other)s"),
    case("message_keys", "delete own", NOT_EVEN_OWN, "delete from assistant.message_keys where user_id = %(me)s"),
    case("run_listeners", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.run_listeners"),
]  # fmt: skip

KNOWLEDGE = [
    case("document_indexing", "select", READERS,
         "select from assistant.document_indexing where document_id = %(document)s"),
    case("document_indexing", "update", NOBODY_BUT_SERVICE,
         "update assistant.document_indexing set status = 'ready' where document_id = %(document)s"),
    case("document_indexing", "index again", EDITORS.replace("✓ ✓", "✓ ·"),
         "select from assistant.index_again(%(document)s) done where done"),
    case("space_statistics", "select", READERS, "select from assistant.space_statistics where space_id = %(space)s"),
    case("space_statistics", "update", NOBODY_BUT_SERVICE,
         "update assistant.space_statistics set chunks = 7 where space_id = %(space)s"),
    case("postings", "select", READERS, "select from assistant.postings where space_id = %(space)s"),
    case("postings", "delete", NOBODY_BUT_SERVICE, "delete from assistant.postings where space_id = %(space)s"),
    case("fresh_vectors", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.fresh_vectors"),
    case("local_accounts", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.local_accounts"),
    case("rate_limits", "select", NOBODY_BUT_SERVICE, "select count(*) from assistant.rate_limits"),
]  # fmt: skip

CASES = [
    *PEOPLE, *GOALS, *SPACES, *CONTENT, *CHATS, *POSTS, *PROGRESS, *MEMBERSHIP, *INVITATIONS, *COMMENTS, *SUMMARIES, *REQUESTS,
    *CONVERSATIONS, *KNOWLEDGE, *UPKEEP,
]  # fmt: skip


def wrong_cells(wanted: Case, world: World, connections: dict[str, psycopg.Connection[Any]]) -> list[str]:
    """Where the database does something else than the table says; nothing of it stays."""
    wrong = []
    for actor, cell in zip(ACTORS, wanted.cells.split(), strict=True):
        if cell == "·":
            continue
        for visibility in VISIBILITIES:
            expected = cell == "✓" or LETTERS[visibility] in cell
            found = _may(connections[actor], world, actor, visibility, wanted.sql)
            if found is not expected:
                wrong.append(f"{actor} in a {visibility} space: {'allowed' if found else 'refused'}")
    return wrong


def _may(connection: psycopg.Connection[Any], world: World, actor: str, visibility: str, sql: str) -> bool:
    try:
        with acting(connection, principal_of(world, actor)) as cursor:
            cursor.execute(sql, _parameters(world, actor, visibility))
            return cursor.rowcount > 0
    except psycopg.errors.UniqueViolation:
        return True  # policies are asked first: they have let it through to a row that is there already
    except psycopg.Error as error:
        if error.sqlstate not in REFUSALS:
            raise
        return False


def reached_unseen(table: str, world: World, connections: dict[str, psycopg.Connection[Any]]) -> list[str]:
    """Who changes or deletes rows that they do not see, by a statement without a condition: it reads nothing, and so
    only the policy of its own command holds it back."""
    found = []
    for actor in ("anon", "stranger", "pending", "viewer", "owner"):
        with acting(connections[actor], principal_of(world, actor)) as cursor:
            cursor.execute("select set_config('search_path', 'public, assistant', true)")
            column = cursor.execute(
                "select min(attname) from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 "
                "and (atthasdef or not attnotnull) and has_column_privilege(attrelid, attnum, 'UPDATE')",
                (table,),
            ).fetchone()
            assert column is not None
            seen = _count(cursor, f"select from {table}")
            changed = 0 if column[0] is None else _count(cursor, f"update {table} set {column[0]} = default")
            deleted = _count(cursor, f"delete from {table}")
        if max(changed, deleted) > seen:
            found.append(f"{actor} sees {seen}, changes {changed}, deletes {deleted}")
    return found


def _count(cursor: psycopg.Cursor[Any], statement: str) -> int:
    try:
        with cursor.connection.transaction(force_rollback=True):
            return cursor.execute(statement.encode()).rowcount
    except psycopg.errors.InsufficientPrivilege:
        return 0


def _parameters(world: World, actor: str, visibility: str) -> dict[str, object]:
    """`me` is the actor; `other` is somebody else who has to do with nothing here, or the owner for them."""
    me = {"stranger": "outsider", "anon": "outsider", "service": "outsider"}.get(actor, actor)
    other = "owner" if me == "outsider" and actor != "anon" else "outsider"
    place, elsewhere = world.places[visibility], world.places["shared" if visibility == "public" else "public"]
    return {
        "me": world.people[me],
        "other": world.people[other],
        "newcomer": world.people["newcomer"],
        "silent": world.silent,
        "viewer2": world.people["viewer2"],
        "admin2": world.people["admin2"],
        "unborn": world.unborn,
        "owners_goal": world.goals["owner"],
        "my_goal": world.goals[me],
        "others_goal": world.goals[other],
        "space": place.id,
        "elsewhere": elsewhere.id,
        "module": place.modules[0],
        "module2": place.modules[1],
        "module_elsewhere": elsewhere.modules[0],
        "task": place.task,
        "document": place.document,
        "chunk": place.chunk,
        "invitation": place.invitation,
        "owners_comment": place.comments["owner"],
        "my_comment": place.comments[me],
        "others_comment": place.comments[other],
        "my_run": place.runs[me],
        "others_run": place.runs[other],
        "my_action": place.actions[me],
        "others_action": place.actions[other],
        "my_message": place.messages[me],
        "others_message": place.messages[other],
        "others_published": world.posts[f"published:{other}"],
        "others_draft": world.posts[f"draft:{other}"],
        "others_future": world.posts[f"future:{other}"],
        "my_draft": world.posts[f"draft:{me}"],
        "orphan": world.posts["orphan"],
        "slug": f"new-{actor}-{visibility}",
    }
