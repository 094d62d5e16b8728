"""Confidence: the numbers by which a user judges a sample and chooses among several (SI 5.9)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.accessibility import fraction_disordered, protein_chains
from alphafold3_pytorch.predict.scores.blocks import best_rows, chain_sizes, chain_starts, column_sums, ratio
from alphafold3_pytorch.predict.scores.clash import has_clash
from alphafold3_pytorch.predict.scores.interfaces import Interface, interfaces


@dataclass(frozen=True, eq=False)
class Confidence:
    """Scores of one sample. Chains are in the order of the structure; NaN where a score is not defined."""

    chains: tuple[str, ...]
    plddt: float  # mean over atoms, 0 to 100
    chain_plddt: Float[np.ndarray, "c"]
    ptm: float
    iptm: float
    fraction_disordered: float
    has_clash: bool
    ranking_score: float
    chain_ptm: Float[np.ndarray, "c"]
    chain_iptm: Float[np.ndarray, "c"]
    chain_pair_iptm: Float[np.ndarray, "c c"]
    chain_pair_pae_min: Float[np.ndarray, "c c"]  # Å
    chain_pair_pde_min: Float[np.ndarray, "c c"]
    chain_pair_pde_mean: Float[np.ndarray, "c c"]
    interfaces: tuple[Interface, ...]


def confidence(sample: Sample) -> Confidence:
    """All scores of a sample; the same as those of official AlphaFold 3, and those of `interfaces` beside them."""
    tokens, structure = sample.tokens, sample.structure
    starts = chain_starts(tokens.chain)
    sizes = chain_sizes(starts, len(tokens))
    ptm, iptm = tm_scores(sample.tm, sample.framed, starts, sizes)
    pair_iptm = chain_pair_tm(sample.tm_interface, sample.framed, starts, sizes)
    disordered, clash = fraction_disordered(protein_chains(structure)), has_clash(structure)
    chains = tokens.chain[starts]
    atoms = np.bincount(structure.chain, minlength=len(structure.chains))
    return Confidence(
        chains=tuple(structure.chains[number].id for number in chains.tolist()),
        plddt=float(sample.plddt.mean(dtype=np.float64)),
        chain_plddt=(np.bincount(structure.chain, sample.plddt, len(atoms)) / np.maximum(atoms, 1))[chains],
        ptm=ptm,
        iptm=iptm,
        fraction_disordered=disordered,
        has_clash=clash,
        ranking_score=ranking_score(ptm, iptm, disordered, clash),
        chain_ptm=np.diagonal(pair_iptm).copy(),
        chain_iptm=mean_of_others(pair_iptm),
        chain_pair_iptm=pair_iptm,
        chain_pair_pae_min=chain_pair_minimum(sample.pae, starts, sample.framed),
        chain_pair_pde_min=chain_pair_minimum(sample.pde, starts),
        chain_pair_pde_mean=np.add.reduceat(column_sums(sample.pde, starts), starts, axis=0) / np.outer(sizes, sizes),
        interfaces=interfaces(sample),
    )


def ranking_score(
    ptm: float, iptm: float, disordered: float, clash: bool, weights: tuple[float, float, float] = (0.8, 0.2, 0.5)
) -> float:
    """SI 5.9.3, equation 19, with the weights of ipTM, pTM and disorder; where there is no ipTM, pTM alone."""
    fold = ptm if np.isnan(iptm) else weights[0] * iptm + weights[1] * ptm
    return float(fold + weights[2] * disordered - 100 * clash)


def tm_scores(
    terms: Float[np.ndarray, "n n"],
    framed: Bool[np.ndarray, "n"],
    starts: Int[np.ndarray, "c"],
    sizes: Int[np.ndarray, "c"] | Float[np.ndarray, "c"],
) -> tuple[float, float]:
    """pTM and ipTM of a complex (SI 5.9.1, equations 17 and 18): the mean TM term seen from the best frame.

    ipTM leaves out the columns of the frame's own chain. `sizes` are the numbers of columns of each chain.
    """
    sums = column_sums(terms, starts)
    chain = np.repeat(np.arange(len(starts)), chain_sizes(starts, len(terms)))
    other = chain[:, None] != np.arange(len(starts))
    ptm = best_value(sums.sum(axis=1) / sizes.sum(), framed)
    iptm = best_value(ratio((sums * other).sum(axis=1), (sizes * other).sum(axis=1), np.nan), framed)
    return ptm, iptm


def best_value(values: Float[np.ndarray, "n"], framed: Bool[np.ndarray, "n"]) -> float:
    """The largest value that has a frame; NaN without any."""
    known = values[framed & ~np.isnan(values)]
    return float(known.max()) if len(known) else float("nan")


def chain_pair_tm(
    terms: Float[np.ndarray, "n n"],
    framed: Bool[np.ndarray, "n"],
    starts: Int[np.ndarray, "c"],
    sizes: Int[np.ndarray, "c"] | Float[np.ndarray, "c"],
) -> Float[np.ndarray, "c c"]:
    """ipTM of every two chains as if they were alone, on the diagonal pTM of a chain; NaN where nothing has a frame."""
    means = ratio(column_sums(terms, starts), sizes[None], np.nan)
    return best_rows(means, starts, framed[:, None] & (sizes > 0))


def mean_of_others(pairs: Float[np.ndarray, "c c"]) -> Float[np.ndarray, "c"]:
    """SI 5.9.3, R(C) of equation 20: the mean ipTM of a chain with each of the others; NaN if it has none."""
    known = ~np.isnan(pairs) & ~np.eye(len(pairs), dtype=bool)
    return ratio(np.where(known, pairs, 0.0).sum(axis=1), known.sum(axis=1), np.nan)


def chain_pair_minimum(
    errors: Float[np.ndarray, "n n"], starts: Int[np.ndarray, "c"], rows: Bool[np.ndarray, "n"] | None = None
) -> Float[np.ndarray, "c c"]:
    """The smallest error (Å) between two chains; of the first chain only these `rows`, NaN where it has none."""
    least = np.minimum.reduceat(errors, starts, axis=1).astype(np.float64)
    if rows is not None:
        least[~rows] = np.inf
    least = np.minimum.reduceat(least, starts, axis=0)
    return np.where(np.isinf(least), np.nan, least)
