"""Passwords of local accounts: argon2 in a thread, few at a time."""

import asyncio
import secrets
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

AT_A_TIME: Final = 2
"""Each takes 19 MiB and a core for some 30 ms; a storm of sign-ins waits here and not for memory."""


class Passwords:
    """Hashes and checks, always for the same time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._turns = asyncio.Semaphore(AT_A_TIME)

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """None, for somebody unknown, takes as long as a wrong password and is never right."""
        async with self._turns:
            return await asyncio.to_thread(self._matches, password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        """Made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (Argon2Error, InvalidHashError):
            return False
        return password_hash is not None

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(16))
