"""Files of all kinds → text with structure, in processes that may die of a file without anybody else noticing."""
