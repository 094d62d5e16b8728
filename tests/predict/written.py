"""A sample with every kind of chain, to be written: residues are reference conformers, side by side."""

from dataclasses import replace
from typing import Any

import numpy as np

from alphafold3_pytorch.features.reference import reference_positions
from alphafold3_pytorch.features.tokens import tokenize
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import AtomAddress, Dna, Job, Ligand, Modification, Protein, Rna
from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.chemistry.problems import Problem
from alphafold3_pytorch.predict.provenance import Provenance
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence
from alphafold3_pytorch.predict.scores.interfaces import Interface
from alphafold3_pytorch.structure.table import Structure

SMILES = "C[C@H](N)c1c[nH]c2cc([N+](=O)[O-])ccc12"
GLYCAN = (("B", 1, "O4", 2), ("B", 2, "O4", 3), ("B", 3, "O3", 4), ("B", 3, "O6", 5))
EVERYTHING = Job(
    "every kind (of chain)",
    (
        Protein(("A", "AB"), "KMNCSGC", (Modification("MSE", 2),)),
        Ligand(("B",), codes=("NAG", "NAG", "BMA", "MAN", "MAN")),
        Rna(("C",), "ACGUN"),
        Dna(("D",), "ACGT", (Modification("5MC", 2),)),
        Ligand(("E", "F"), smiles=SMILES),
        Ligand(("G",), codes=("ATP",)),
        Ligand(("H",), codes=("ZN",)),
    ),
    bonds=(
        (AtomAddress("A", 3, "ND2"), AtomAddress("B", 1, "C1")),
        *((AtomAddress(c, i, atom), AtomAddress(c, j, "C1")) for c, i, atom, j in GLYCAN),
        (AtomAddress("AB", 5, "OG"), AtomAddress("H", 1, "ZN")),
    ),
)
PROVENANCE = Provenance("a model", "a family", "CC0", {"recycles": 10, "precision": "float32"}, version="1.2.3")
CHEMISTRY = Chemistry({"stereo": 3}, (Problem("stereo", ("A:1:LYS:CA",), "is D", 1.0, None),), 0.5)


def placed(job: Job) -> Structure:
    """The atoms of a job. Every second cysteine is bonded to the one before it."""
    structure = build(job)
    positions = reference_positions(tokenize(structure), seed=1).astype(np.float64)
    positions += 20.0 * structure.residue_keys[:, None]
    sulfur = np.flatnonzero(structure.names == "SG")
    for first, second in zip(sulfur[::2], sulfur[1::2], strict=False):
        positions[second] = positions[first] + (2.05, 0.0, 0.0)
    return replace(structure, positions=positions)


def sample_of(structure: Structure, seed: int = 3, number: int = 1) -> Sample:
    """Arbitrary confidences."""
    random = np.random.default_rng(seed)
    tokens = tokenize(structure)
    n, m = len(tokens), len(structure)
    names = ("pae", "pde", "contacts", "tm", "tm_interface")
    matrices: Any = {name: random.random((n, n), np.float32) for name in names}
    return Sample(
        seed=seed,
        number=number,
        tokens=tokens,
        structure=structure,
        plddt=random.uniform(0, 100, m).astype(np.float32),
        framed=~tokens.atomised,
        **matrices,
    )


def confidence_of(sample: Sample, ranking_score: float = 0.8125) -> Confidence:
    chains = tuple(chain.id for chain in sample.structure.chains)
    row, square = np.full(len(chains), 0.5), np.full((len(chains), len(chains)), np.nan)
    return Confidence(
        chains=chains,
        plddt=float(sample.plddt.mean()),
        chain_plddt=row,
        ptm=0.75,
        iptm=float("nan"),
        fraction_disordered=0.0,
        has_clash=False,
        ranking_score=ranking_score,
        chain_ptm=row,
        chain_iptm=row,
        chain_pair_iptm=square,
        chain_pair_pae_min=square,
        chain_pair_pde_min=square,
        chain_pair_pde_mean=square,
        interfaces=(Interface((chains[0], chains[-1]), 0.1, float("nan"), 0.2, 0.3, 4),),
    )
