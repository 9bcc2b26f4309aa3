"""Update rules on the flat buffer [M, P], and what is done to gradients before them.

An update rule is a pure function from a gradient and its slots (what it remembers, each
[M, P]) to a direction u and new slots; the step then makes w <- w - lr * u.
"""
