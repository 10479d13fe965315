"""Figures, and the notebooks as pages."""
