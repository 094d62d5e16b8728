"""Scores of two chains that face each other, made for the question whether they interact at all.

ipTM asks how well whole chains are placed; a long disordered tail lowers it however good the interface. The scores
here look at the interface only. A polymer residue counts once: its PAE is that of its token (of its CA or C1' if it
was split into atoms), its position and pLDDT those of its CB (CA without one), of purine C4 or pyrimidine C2. Ligands
count atom by atom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.chem.residues import PROTEIN
from alphafold3_pytorch.features.tokens import Tokens
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.blocks import best_rows, chain_starts, column_sums, ratio
from alphafold3_pytorch.structure.geometry import row_chunks

CONTACT = 8.0  # Å between the atoms that stand for two residues
IPSAE_CUTOFF, LIS_CUTOFF, PDOCKQ2_SCALE = 10.0, 12.0, 10.0  # Å of PAE


@dataclass(frozen=True)
class Interface:
    """Scores of two chains that face each other; NaN where a score is not defined for them."""

    chains: tuple[str, str]
    ipsae: float
    pdockq2: float
    lis: float
    actifptm: float
    contacts: int  # residue pairs within 8 Å, the residues of pDockQ2


@dataclass(frozen=True, eq=False)
class Sites:
    """One row for each polymer residue and each ligand atom, in the order of the chains."""

    token: Int[np.ndarray, "s"]
    atom: Int[np.ndarray, "s"]
    starts: Int[np.ndarray, "c"]  # the first site of each chain

    @property
    def chain(self) -> Int[np.ndarray, "s"]:
        return np.repeat(np.arange(len(self.starts)), np.diff([*self.starts.tolist(), len(self.token)]))


@dataclass(frozen=True, eq=False)
class SiteSums:
    """What each site sees of each chain."""

    contacts: Float[np.ndarray, "s c"]
    docked: Float[np.ndarray, "s c"]  # sum of 1 / (1 + (PAE / 10 Å)²) over its contacts
    near: Float[np.ndarray, "s c"]  # sites with PAE below 12 Å
    local: Float[np.ndarray, "s c"]  # sum of 1 - PAE / 12 Å over these
    ipsae: Float[np.ndarray, "s c"]


def interfaces(sample: Sample) -> tuple[Interface, ...]:
    """Every two polymers, whether they touch or not, and every ligand with the chains that it touches."""
    sites = sites_of(sample.tokens)
    chains = [sample.structure.chains[number] for number in sample.tokens.chain[sites.token[sites.starts]].tolist()]
    protein = np.array([chain.kind == PROTEIN for chain in chains])
    polymer = np.array([chain.is_polymer for chain in chains])
    sums = site_sums(sample, sites, polymer & ~protein)
    contacts = by_chains(sums.contacts, sites.starts)
    plddt = sample.plddt[sites.atom].astype(np.float64)
    scores = {
        "ipsae": best_rows(sums.ipsae, sites.starts, np.ones_like(sums.ipsae, bool)),
        "pdockq2": pdockq2(sums, plddt, sites.starts),
        "lis": lis(sums, sites.starts),
        "actifptm": actifptm(sample, chain_starts(sample.tokens.chain)),
    }
    defined = {"ipsae": polymer, "pdockq2": protein, "lis": polymer}
    for name, fit in defined.items():
        scores[name] = np.where(np.outer(fit, fit), scores[name], np.nan)
    return tuple(
        Interface(
            (chains[a].id, chains[b].id),
            **{name: float(score[a, b]) for name, score in scores.items()},
            contacts=int(contacts[a, b]),
        )
        for a, b in combinations(range(len(chains)), 2)
        if contacts[a, b] or (polymer[a] and polymer[b])
    )


def sites_of(tokens: Tokens) -> Sites:
    structure = tokens.structure
    names = structure.names.tolist()
    centres: list[int] = []
    atoms: list[int] = []
    for chain, _, place in structure.residues():
        if chain.is_polymer:
            residue = names[place]
            base = "C4" if "N9" in residue else "C2"
            centres.append(place.start + first_of(residue, ("CA", "C1'")))
            atoms.append(place.start + first_of(residue, ("CB", "CA") if chain.kind == PROTEIN else (base, "C1'")))
        else:
            centres += range(place.start, place.stop)
            atoms += range(place.start, place.stop)
    token = tokens.atom_to_token[centres]
    return Sites(token, np.array(atoms), chain_starts(tokens.chain[token]))


def first_of(names: Sequence[str], wanted: Sequence[str]) -> int:
    """The place of the first wanted name that is there; 0 if none is."""
    return next((names.index(name) for name in wanted if name in names), 0)


def site_sums(sample: Sample, sites: Sites, nucleic: Bool[np.ndarray, "c"]) -> SiteSums:
    """A few rows at a time, so that memory stays small."""
    positions = sample.structure.positions[sites.atom].astype(np.float64)
    chain, starts, count = sites.chain, sites.starts, len(sites.token)
    least = np.where(nucleic[:, None] | nucleic, 2.0, 1.0)
    found: dict[str, list[np.ndarray]] = {name: [] for name in SiteSums.__dataclass_fields__}
    for start, stop in row_chunks(count, count):
        pae = sample.pae[np.ix_(sites.token[start:stop], sites.token)].astype(np.float64)
        offsets = [positions[start:stop, None, axis] - positions[:, axis] for axis in range(3)]
        touching = np.square(offsets).sum(axis=0) <= CONTACT**2
        near = pae < LIS_CUTOFF
        found["contacts"].append(column_sums(touching, starts))
        found["docked"].append(column_sums(touching / (1 + (pae / PDOCKQ2_SCALE) ** 2), starts))
        found["near"].append(column_sums(near, starts))
        found["local"].append(column_sums(near * (1 - pae / LIS_CUTOFF), starts))
        found["ipsae"].append(ipsae(pae, chain, starts, least[chain[start:stop]]))
    return SiteSums(**{name: np.concatenate(rows) for name, rows in found.items()})


def ipsae(
    pae: Float[np.ndarray, "r s"],
    chain: Int[np.ndarray, "s"],
    starts: Int[np.ndarray, "c"],
    least: Float[np.ndarray, "r c"],
) -> Float[np.ndarray, "r c"]:
    """ipSAE (Dunbrack, 2025) of each residue with each chain, in its variant with a d0 for each residue (d0res).

    The mean TM term over the residues that are placed within 10 Å; their number gives d0, which is at least `least`
    (1 Å, with a nucleic acid 2 Å). The score of two chains is that of the best residue of either.
    """
    good = pae < IPSAE_CUTOFF
    counts = column_sums(good, starts)
    d0 = np.maximum(least, 1.24 * np.cbrt(np.maximum(counts, 27) - 15) - 1.8)
    return ratio(column_sums(good / (1 + (pae / d0[:, chain]) ** 2), starts), counts)


def pdockq2(sums: SiteSums, plddt: Float[np.ndarray, "s"], starts: Int[np.ndarray, "c"]) -> Float[np.ndarray, "c c"]:
    """pDockQ2 (Zhu et al., 2023), fitted to the DockQ of protein complexes; 0 without contacts.

    The mean pLDDT of the residues in contact times the mean TM term of the contacts with d0 = 10 Å, through a sigmoid.
    Of the two directions of PAE the better one.
    """
    contacts, touching = by_chains(sums.contacts, starts), sums.contacts > 0
    total, residues = by_chains(plddt[:, None] * touching, starts), by_chains(touching, starts)
    mean = ratio(total + total.T, residues + residues.T)
    score = 1.31 / (1 + np.exp(-0.075 * (mean * ratio(by_chains(sums.docked, starts), contacts) - 84.733))) + 0.005
    score = np.where(contacts > 0, score, 0.0)
    return np.maximum(score, score.T)


def lis(sums: SiteSums, starts: Int[np.ndarray, "c"]) -> Float[np.ndarray, "c c"]:
    """Local interaction score (Kim et al., 2024): the mean of 1 - PAE / 12 Å over residue pairs with PAE below 12 Å.

    0 if there are none; of both directions the mean.
    """
    score = ratio(by_chains(sums.local, starts), by_chains(sums.near, starts))
    return (score + score.T) / 2


def actifptm(sample: Sample, starts: Int[np.ndarray, "c"]) -> Float[np.ndarray, "c c"]:
    """actifpTM (Varga et al., 2025): ipTM of two chains with each token pair weighted by its contact probability.

    As published, d0 comes from the size of the whole complex, so the terms are those of pTM. All tokens count, those of
    ligands too; frames as in ipTM.
    """
    found = []
    for start, stop in row_chunks(len(sample.tm), len(sample.tm)):
        weights = sample.contacts[start:stop].astype(np.float64)
        terms = column_sums(weights * sample.tm[start:stop], starts)
        found.append(terms / (column_sums(weights, starts) + 1e-8))
    means = np.concatenate(found)
    return best_rows(means, starts, np.broadcast_to(sample.framed[:, None], means.shape))


def by_chains(values: np.ndarray, starts: Int[np.ndarray, "c"]) -> Float[np.ndarray, "c c"]:
    """Sums over the sites of each chain."""
    return np.add.reduceat(values, starts, axis=0, dtype=np.float64)
