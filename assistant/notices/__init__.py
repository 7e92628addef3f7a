"""Messages to people: written with their cause, sent by mail, turned off with one click."""
