"""Settings: from the environment and `.env`, and one line for what is wrong with them."""

import os
from pathlib import Path

import pytest

from assistant.errors import ConfigurationError
from assistant.settings import load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder and an environment that set nothing."""
    for name in list(os.environ):
        if name.startswith(("GOALSPACE_", "ANTHROPIC_")) or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert settings.offline
    assert settings.database_url is None


def test_variables_keep_the_names_of_their_own_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/else")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    monkeypatch.setenv("GOALSPACE_POOL_SIZE", "3")
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://somewhere/else"
    assert not settings.offline
    assert settings.pool_size == 3


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GOALSPACE_MODEL=from-the-file\nGOALSPACE_LOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("GOALSPACE_MODEL", "from-the-environment")
    settings = load_settings()
    assert (settings.model, settings.log_level) == ("from-the-environment", "debug")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "")
    monkeypatch.setenv("GOALSPACE_MODEL", "")
    settings = load_settings()
    assert settings.offline
    assert settings.model == "claude-haiku"


def test_origins_are_read_from_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALSPACE_ALLOWED_ORIGINS", "https://App.example.org, http://localhost:3000")
    assert load_settings().allowed_origins == ("https://app.example.org", "http://localhost:3000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOALSPACE_POOL_SIZE", "0"),
        ("GOALSPACE_POOL_SIZE", "many"),
        ("GOALSPACE_JWT_SECRET", "short"),
        ("GOALSPACE_LOG_LEVEL", "loud"),
        ("GOALSPACE_KEEP_MESSAGES_MONTHS", "0"),
        ("GOALSPACE_KEEP_USAGE_MONTHS", "a year"),
        ("GOALSPACE_BILLING_SECRET", "secret"),
        ("GOALSPACE_BILLING_SECRET", "whsec_dG9vIHNob3J0"),
        ("GOALSPACE_SMTP_URL", "mail.example.org"),
        ("GOALSPACE_SMTP_URL", "http://mail.example.org"),
        ("GOALSPACE_SMTP_URL", "smtp://mail.example.org:many"),
        ("GOALSPACE_SMTP_URL", "smtps://mail.example.org/folder"),
        ("GOALSPACE_MAIL_FROM", "GoalSpace"),
        ("GOALSPACE_MAIL_FROM", "mentor@"),
        ("GOALSPACE_MAIL_FROM", "a@example.org\nBcc: b@example.org"),
        ("GOALSPACE_PUBLIC_URL", "learn.example.org"),
        ("GOALSPACE_PUBLIC_URL", "https://learn.example.org/?a=b"),
        ("GOALSPACE_ALLOWED_ORIGINS", "*"),
        ("GOALSPACE_ALLOWED_ORIGINS", "https://*.example.org"),
        ("GOALSPACE_ALLOWED_ORIGINS", "app.example.org"),
        ("DATABASE_URL", "somewhere"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/x"),
        ("DATABASE_URL", "postgresql://root@127.0.0.1:many/x"),
        ("GOALSPACE_JOBS_URL", "postgresql:/x"),
        ("ANTHROPIC_BASE_URL", "localhost:8080"),
        ("ANTHROPIC_BASE_URL", "ftp://example.org"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert caught.value.detail.startswith(f"{name}: ")
    assert "\n" not in caught.value.detail


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "ANTHROPIC_API_KEY": "canary-key",
        "DATABASE_URL": "postgresql://me:canary-password@db/goalspace",
        "GOALSPACE_JWT_SECRET": "canary-secret-that-is-long-enough-here",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    assert "canary" not in repr(load_settings())
    monkeypatch.setenv("GOALSPACE_JWT_SECRET", "canary")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "canary" not in caught.value.detail


def test_a_mail_server_needs_a_sender_and_an_address_for_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALSPACE_SMTP_URL", "smtps://us:canary@mail.example.org:465/")
    for name, value in (
        ("GOALSPACE_MAIL_FROM", "GoalSpace <mentor@example.org>"),
        ("GOALSPACE_PUBLIC_URL", "https://learn.example.org/goalspace/"),
    ):
        with pytest.raises(ConfigurationError) as wrong:
            load_settings()
        assert wrong.value.detail == "GOALSPACE_SMTP_URL needs GOALSPACE_MAIL_FROM and GOALSPACE_PUBLIC_URL."
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.public_url == "https://learn.example.org/goalspace"
    assert "canary" not in repr(settings)


def test_the_two_logins_are_set_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALSPACE_LOGIN_URL", "postgresql://somebody@somewhere/else")
    with pytest.raises(ConfigurationError) as wrong:
        load_settings()
    assert wrong.value.detail.startswith("GOALSPACE_LOGIN_URL and GOALSPACE_JOBS_URL")
    monkeypatch.setenv("GOALSPACE_JOBS_URL", "postgresql://another@somewhere/else")
    assert load_settings().jobs_url is not None
