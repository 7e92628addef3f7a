"""The page at `/`, where one can talk to the mentor: static files, and the session of a demo."""
