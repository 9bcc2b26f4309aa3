"""Schedules: the share of the learning rate that is used at each step.

Pure functions of time: step counts from 0 to total - 1, the result multiplies the rate.
"""
