"""Measuring quality: datasets, metrics, reports."""
