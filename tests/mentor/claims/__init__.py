"""Labelled sentences and the measurement on them."""
