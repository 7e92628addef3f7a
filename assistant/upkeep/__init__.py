"""What keeps the tables in shape: one list of steps, done by `goalspace maintain` and by workers on schedule."""
