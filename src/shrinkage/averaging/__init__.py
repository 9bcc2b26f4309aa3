"""Averages of weights over time, used for validation and prediction in place of the last."""
