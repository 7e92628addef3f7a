"""Learning spaces: modules, tasks, progress, summaries."""
