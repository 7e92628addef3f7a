"""Collaborators and comments."""
