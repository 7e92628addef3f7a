"""What all tests can ask for."""

import hypothesis

# How long an example takes depends on what else the machine does, so no example may fail for it.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.databases",
    "tests.fixtures.scripted_model",
    "tests.fixtures.http",
    "tests.fixtures.api",
    "tests.fixtures.tools",
    "tests.fixtures.turns",
]
