"""Ingredients of the data place: how columns are scaled and rows are served in batches."""
