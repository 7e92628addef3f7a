"""The GoalSpace assistant: a mentor inside a learning space."""

__version__ = "0.1.0"
