"""Samples to score: those of the official post-processing, and small ones made of chains and arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alphafold3_pytorch.chem.elements import atomic_number
from alphafold3_pytorch.chem.residues import LIGAND, PROTEIN
from alphafold3_pytorch.features.tokens import tokenize
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.structure.table import Chain, Structure

GOLDENS = Path(__file__).parents[1] / "goldens" / "postprocessing"


def golden_sample(number: int) -> Sample:
    """One of four samples of two proteins, glycerol and a magnesium ion."""
    known = np.load(GOLDENS / "inputs.npz")
    ids, first = np.unique(known["chain_id"], return_index=True)
    chains = []
    for name in ids[np.argsort(first)].tolist():
        mine = known["chain_id"] == name
        _, starts = np.unique(known["res_id"][mine], return_index=True)
        kind = PROTEIN if name in "AB" else LIGAND
        chains.append(Chain(name, kind, tuple(known["res_name"][mine][starts].tolist())))
    structure = Structure(
        chains=tuple(chains),
        chain=np.array([[chain.id for chain in chains].index(name) for name in known["chain_id"].tolist()]),
        residue=known["res_id"].astype(np.int64) - 1,
        names=known["atom_name"],
        elements=np.array([atomic_number(symbol) for symbol in known["atom_element"].tolist()]),
        charges=np.zeros(len(known["atom_name"]), np.int64),
        positions=known["positions"][number],
        bonds=np.zeros((0, 2), np.int64),
    )
    return Sample(
        seed=1,
        number=number,
        tokens=tokenize(structure),
        structure=structure,
        plddt=known["plddt"][number],
        pae=known["full_pae"][number],
        pde=known["full_pde"][number],
        contacts=known["contact_probs"],
        tm=known["tmscore_adjusted_pae_global"][number],
        tm_interface=known["tmscore_adjusted_pae_interface"][number],
        framed=known["frames_mask"],
    )


def golden_scores(number: int) -> dict[str, np.ndarray]:
    known = np.load(GOLDENS / "outputs.npz")
    start = f"sample{number}/"
    return {name.removeprefix(start): known[name] for name in known.files if name.startswith(start)}


# The atoms that scores look at, in a residue of each kind.
ATOMS = {"ALA": "N CA C O CB", "GLY": "N CA C O", "A": "C3' C1' N9 C2 C4", "U": "C3' C1' C2 C4"}


def small_sample(chains: Sequence[tuple[str, str, Sequence[str]]], **arrays: Any) -> Sample:
    """`chains` are (id, kind, residue names); an atom of a ligand is written as its residue, one atom each.

    Every atom of a residue is at the same place, at 100 Å from the last; whatever is not in `arrays` is zero.
    """
    rows = [
        (number, place, name)
        for number, (_, _, codes) in enumerate(chains)
        for place, code in enumerate(codes)
        for name in ATOMS.get(code, code).split()
    ]
    number, place, names = (np.array(column) for column in zip(*rows, strict=True))
    residue = np.unique(np.stack([number, place]), axis=1, return_inverse=True)[1].ravel()
    positions = np.zeros((len(rows), 3))
    positions[:, 0] = 100.0 * residue
    structure = Structure(
        chains=tuple(Chain(name, kind, tuple(codes)) for name, kind, codes in chains),
        chain=number,
        residue=place,
        names=names,
        elements=np.full(len(rows), 6),
        charges=np.zeros(len(rows), np.int64),
        positions=arrays.pop("positions", positions),
        bonds=np.zeros((0, 2), np.int64),
    )
    tokens = tokenize(structure)
    n, m = len(tokens), len(rows)
    shapes = {"plddt": (m,)} | dict.fromkeys(("pae", "pde", "contacts", "tm", "tm_interface"), (n, n))
    given: dict[str, Any] = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()} | {
        "framed": np.ones(n, bool)
    }
    given |= {name: np.asarray(value, given[name].dtype) for name, value in arrays.items()}
    return Sample(seed=1, number=0, tokens=tokens, structure=structure, **given)
