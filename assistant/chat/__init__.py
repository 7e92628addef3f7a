"""Conversations: runs, their events, messages."""
