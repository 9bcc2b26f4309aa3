"""Rows that belong together, such as several of one patient: they tell less than strangers do.

Notation

    n   rows         c_i   cluster of row i         v   [n] values of rows
    G   clusters     n_c   rows of cluster c        m   their mean

Each cluster is given one value,

    V_c = m + G/n sum_{i in c} (v_i - m)

so that mean V = m, and sd(V) / sqrt(G) is the standard error of m where clusters are drawn
independently, however alike the rows of one are and however many it has (the mean over rows is a
ratio of two sums over clusters; the linearized variance of a ratio). With one row a cluster, V = v.
So whoever asks how sure a mean of rows is, asks V for it, and G rows answer.

Cochran 1977, "Sampling Techniques", 3rd edition, sections 6.3 and 9A.1 (ratios, clusters).
"""

from __future__ import annotations

import numpy as np

Clusters = np.ndarray | None
"""[n] int, the cluster of each row; None: rows are strangers to each other."""


def per_cluster(v: np.ndarray, clusters: Clusters) -> np.ndarray:
    """V [..., G] from v [..., n], in the order of the clusters' numbers; v where there are none."""
    if clusters is None:
        return v
    places = np.unique(clusters, return_inverse=True)[1]
    mean, count = v.mean(-1, keepdims=True), places.max() + 1
    flat = (v - mean).reshape(-1, len(places))
    sums = np.stack([np.bincount(places, each, count) for each in flat])
    return mean + (count / len(places) * sums).reshape(*v.shape[:-1], count)


def count(clusters: Clusters, rows: int) -> int:
    """How many independent ones these rows are."""
    return rows if clusters is None else len(np.unique(clusters))


def spread(
    codes: np.ndarray, clusters: Clusters, parts: int, random: np.random.Generator
) -> np.ndarray:
    """[n] part of each row, in 0..parts-1: every code is spread evenly, and no cluster is cut.

    codes: [n]. A cluster counts as one, of its most frequent code.
    """
    if clusters is not None:
        kinds, places = of_clusters(codes, clusters)
        return _even(kinds, parts, random)[places]
    return _even(codes, parts, random)


def of_clusters(codes: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the most frequent code of each cluster [G], the place of each row's cluster among them [n]).

    Of equally frequent codes the first in order counts.
    """
    places = np.unique(clusters, return_inverse=True)[1]
    known, each = np.unique(codes, return_inverse=True)
    pairs, counts = np.unique(places * len(known) + each, return_counts=True)
    of, code = np.divmod(pairs, len(known))
    order = np.lexsort((code, -counts, of))
    first = np.unique(of[order], return_index=True)[1]
    return known[code[order][first]], places


def _even(codes: np.ndarray, parts: int, random: np.random.Generator) -> np.ndarray:
    found = np.empty(len(codes), np.int64)
    found[np.lexsort((random.random(len(codes)), codes))] = np.arange(len(codes)) % parts
    return found
