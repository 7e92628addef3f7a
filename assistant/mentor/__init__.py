"""The mentor: its loop, context, tools and citations."""
