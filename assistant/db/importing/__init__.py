"""Takes over the data of an earlier schema, by a mapping file: one query on the old database for each of our tables."""
