"""What all tests can ask for."""

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.scripted_model",
    "tests.fixtures.http",
    "tests.fixtures.api",
]
