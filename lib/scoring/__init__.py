"""Scores of pixels and cells, their intervals, and the claims they judge."""
