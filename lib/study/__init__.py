"""Params files, runs, tables of results and their check."""
