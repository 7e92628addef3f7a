"""The tree of errors that people may see. Each says its HTTP status and a stable code."""

from collections.abc import Mapping
from typing import Any


class AssistantError(Exception):
    """Something that a person is told about. `detail` is one or two plain sentences, free of internals."""

    status_code = 500
    code = "internal_error"
    title = "Something went wrong"
    retry_after: float | None = None
    """Seconds after which the same request may succeed, where that is known."""

    def __init__(self, detail: str, *, code: str | None = None, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.extra: dict[str, Any] = dict(extra or {})
        """Further members of the problem document, for programs."""


class BadRequestError(AssistantError):
    status_code, code, title = 400, "bad_request", "Bad request"


class UnauthorizedError(AssistantError):
    status_code, code, title = 401, "unauthorized", "Not signed in"


class ForbiddenError(AssistantError):
    status_code, code, title = 403, "forbidden", "Not allowed"


class NotFoundError(AssistantError):
    """Not there, or not the caller's to see: both read the same."""

    status_code, code, title = 404, "not_found", "Not found"


class ConflictError(AssistantError):
    status_code, code, title = 409, "conflict", "Conflict"


class ChangedError(AssistantError):
    """Not the object that the caller has seen: nothing was written."""

    status_code, code, title = 412, "changed", "Changed meanwhile"


class TooLargeError(AssistantError):
    status_code, code, title = 413, "too_large", "Too large"


class UnsupportedError(AssistantError):
    status_code, code, title = 415, "unsupported_media_type", "Unsupported format"


class InvalidError(AssistantError):
    """A malformed value. `path` names the field, e.g. `ai_mentor_config.tools.create_task`."""

    status_code, code, title = 422, "invalid", "Invalid value"

    def __init__(self, detail: str, *, path: str = "", code: str | None = None) -> None:
        super().__init__(detail, code=code, extra={"errors": [{"path": path, "message": detail}]})


class TooManyRequestsError(AssistantError):
    """`retry_after` is in seconds, and at least 1."""

    status_code, code, title = 429, "too_many_requests", "Too many requests"

    def __init__(self, detail: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after = max(1, retry_after)


class UnavailableError(AssistantError):
    """A part that the service depends on does not answer. `retry_after` is in seconds."""

    status_code, code, title = 503, "unavailable", "Temporarily unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int = 2) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class ConfigurationError(AssistantError):
    """A wrong setting or a machine that cannot run the service: one line, exit code 2."""

    code, title = "configuration", "Configuration"
