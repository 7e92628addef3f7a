"""Every environment variable, typed, in one class."""

from collections.abc import Collection
from decimal import Decimal
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from assistant.errors import ConfigurationError
from assistant.signatures import signing_key


def _own_name(name: str) -> AliasChoices:
    """Some variables keep the name that their own world gave them."""
    return AliasChoices(name, name.lower())


SMTP_SCHEMES = ("smtps", "smtp", "smtp+plain")
DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


def _is_address(text: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and text.startswith(f"{parts.scheme}://") and parts.port != 0
    except ValueError:  # a port that is no number
        return False


class Settings(BaseSettings):
    """Read once at the edge; below it functions receive values, not the environment."""

    model_config = SettingsConfigDict(
        env_prefix="GOALSPACE_",
        env_file=".env",
        env_ignore_empty=True,  # `ANTHROPIC_API_KEY=` in a file of variables means that there is none
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(default=Path(".goalspace"))
    """Embedded database, generated secrets. Made on first use, readable by its owner only."""

    database_url: SecretStr | None = Field(default=None, validation_alias=_own_name("DATABASE_URL"))
    """The migrations' role. Unset: the embedded PostgreSQL in `data_dir`."""
    login_url: SecretStr | None = None
    """A ready-made login that may become `anon` and `authenticated`. Unset: made by `db upgrade`."""
    jobs_url: SecretStr | None = None
    """A ready-made login that may become `service_role`. Unset: made by `db upgrade`."""
    replica_url: SecretStr | None = None
    """A streaming replica, for reads that may be some seconds old. The service's own login is used there."""
    replica_lag_seconds: float = Field(default=10.0, ge=0, le=3600)
    """A replica that is further behind is not asked."""
    direct_url: SecretStr | None = None
    """Goes around PgBouncer: migrations, listeners, advisory locks. Unset: `DATABASE_URL`."""
    pool_size: int = Field(default=8, ge=1, le=200)
    """Connections of each of the two pools, for one process."""

    jwt_secret: SecretStr | None = None
    """HS256 secret, at least 32 characters. Unset: made in `data_dir`."""
    jwks_url: str | None = None
    """Fixed https address of the identity provider's keys (RS256, ES256). Set: HS256 is off."""
    jwt_issuer: str | None = None
    """Expected `iss`. Unset: `goalspace` for our own tokens; with JWKS it must be set."""
    jwt_audience: str = "authenticated"

    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias=_own_name("ANTHROPIC_API_KEY"))
    anthropic_base_url: str | None = Field(default=None, validation_alias=_own_name("ANTHROPIC_BASE_URL"))
    model: str = "claude-haiku"
    """The mentor's model where neither the space nor the user names one: an alias or a provider's id."""
    fallback_model: str | None = None
    """Answers where the model that is asked is overloaded or cannot be reached. Unset: then nobody does."""
    embeddings: str = "bundled"
    """`bundled`, or a LangChain `provider:model`."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Exact browser origins, comma-separated. `*` is refused."""
    fetch_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts of one's own network whose pages may be fetched although they are not public: `wiki.internal:8080`."""
    keep_messages_months: int | None = Field(default=None, ge=1, le=1200)
    """Full months besides the current one, after which `goalspace maintain` retires messages. Unset: kept for ever."""
    keep_usage_months: int | None = Field(default=None, ge=1, le=1200)
    """The same for the log of what was used."""
    billing_secret: SecretStr | None = None
    """`whsec_` and base64: signs what a payment provider sends to `/webhooks/billing`. Unset: there is no such path."""
    public_url: str | None = None
    """Where people reach the service from outside: what links in messages begin with."""
    smtp_url: SecretStr | None = None
    """`smtps://user:password@host:465`, `smtp://…` (STARTTLS) or `smtp+plain://…` (no TLS). Unset: no mail is sent."""
    mail_from: str | None = None
    """Who messages come from, such as `GoalSpace <mentor@example.org>`."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks of reverse proxies, comma-separated: their `X-Forwarded-For` is believed."""
    requests_per_minute: int = Field(default=1200, ge=0, le=1_000_000)
    """Of one person, or one network of people who are not signed in. 0: any number."""
    turns_per_minute: int = Field(default=60, ge=0, le=100_000)
    """Questions of one person to the mentor; of a space ten times as many. 0: any number."""
    max_turns: int = Field(default=500, ge=0, le=100_000)
    """Answers that a process works on at a time; more are refused with 503. 0: any number."""
    plans_file: Path | None = None
    """What each tier may use. Unset: the plans that come with the package."""
    stop_at_tokens: int | None = Field(default=None, ge=0)
    """Tokens that everybody together may use in a month; then nothing is answered until a person lifts the stop."""
    stop_at_usd: Decimal | None = Field(default=None, ge=0)
    """The same in US dollars, of models whose price is known."""
    prompts_dir: Path | None = None
    """Unset: the prompts that come with the package."""
    log_level: str = "info"

    @field_validator("allowed_origins", "trusted_proxies", "fetch_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.hostname
                or "*" in origin
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{origin!r} is not an exact origin such as https://app.example.org")
        return tuple(origin.lower() for origin in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError(f"{proxy!r} is no address or network such as 10.0.0.0/8") from None
        return value

    @field_validator("database_url", "login_url", "jobs_url", "direct_url", "replica_url")
    @classmethod
    def _check_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_address(value.get_secret_value(), DATABASE_SCHEMES):
            raise ValueError("is no address such as postgresql://user:password@host:5432/database")
        return value

    @field_validator("anthropic_base_url")
    @classmethod
    def _check_base_url(cls, value: str | None) -> str | None:
        if value is not None and not (_is_address(value, ("http", "https")) and urlsplit(value).hostname):
            raise ValueError("is no address such as http://127.0.0.1:8080")
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if not (_is_address(value, ("http", "https")) and parts.hostname) or parts.query or parts.fragment:
            raise ValueError("is no address such as https://learn.example.org")
        return value.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            text = value.get_secret_value().rstrip("/")
            if not (_is_address(text, SMTP_SCHEMES) and urlsplit(text).hostname) or urlsplit(text).path:
                raise ValueError("is no address such as smtps://user:password@mail.example.org:465")
        return value

    @field_validator("mail_from")
    @classmethod
    def _check_mail_from(cls, value: str | None) -> str | None:
        if value is not None:
            _, address = parseaddr(value)
            if not (value.isprintable() and address.isascii() and 0 < address.find("@") < len(address) - 1):
                raise ValueError("is no address such as GoalSpace <mentor@example.org>")
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _check_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @field_validator("billing_secret")
    @classmethod
    def _check_billing_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signing_key(value.get_secret_value())
        return value

    @field_validator("log_level")
    @classmethod
    def _check_level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("must be debug, info, warning or error")
        return value.lower()

    @model_validator(mode="after")
    def _check_logins(self) -> Self:
        if (self.login_url is None) != (self.jobs_url is None):
            raise ValueError("GOALSPACE_LOGIN_URL and GOALSPACE_JOBS_URL are set together or not at all")
        return self

    @model_validator(mode="after")
    def _check_mail(self) -> Self:
        if self.smtp_url is not None and (self.mail_from is None or self.public_url is None):
            raise ValueError("GOALSPACE_SMTP_URL needs GOALSPACE_MAIL_FROM and GOALSPACE_PUBLIC_URL")
        return self

    @property
    def offline(self) -> bool:
        """No key and no server of one's own: the offline mentor answers."""
        return self.anthropic_api_key is None and self.anthropic_base_url is None


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment and `.env`. Raises ConfigurationError with one line that names the variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # values are validated here, whatever their type
    except ValidationError as exc:
        first = exc.errors()[0]
        message = str(first["msg"]).removeprefix("Value error, ")
        if not first["loc"]:  # about several settings, which the message names
            raise ConfigurationError(f"{message}.") from exc
        name = str(first["loc"][0])
        own = {"database_url", "anthropic_api_key", "anthropic_base_url"}
        shown = name.upper() if name.lower() in own else f"GOALSPACE_{name.upper()}"
        raise ConfigurationError(f"{shown}: {message}") from exc
