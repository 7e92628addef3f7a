"""Sentences with the claims that are in them, half of them to write the rules by, half never looked at for that."""
