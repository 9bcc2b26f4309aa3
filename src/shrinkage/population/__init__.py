"""Populations: networks of one shape, stacked along a member axis and trained in one step.

| symbol | meaning | shape |
|---|---|---|
| M | members of a population | |
| B | rows in a minibatch | |
| P, Q | weights, statistics of one network | |
| C | classes, or 1 for a number to predict | |
| weights, statistics | one flat buffer each | [M, P], [M, Q] |
"""
