"""Losses: one value a row and member, what reshapes its target, and penalties on weights."""
