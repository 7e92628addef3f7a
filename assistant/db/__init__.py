"""The database: engine, identity, sessions, the embedded server."""
