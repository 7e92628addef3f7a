"""The offline mentor: it answers without a model, from the documents' own words, and understands plain requests."""

from assistant.mentor.offline.model import OfflineModel

__all__ = ["OfflineModel"]
