"""Structures whose chemistry is known: components as the dictionary draws them, and entries of the PDB."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alphafold3_pytorch.chem.ccd import Components, component
from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.chem.conformers import conformer
from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.chem.residues import LIGAND
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.structure.table import Chain, Structure


def drawn(*codes: str, apart: float = 30.0) -> Structure:
    """Components as single residues, each a chain of its own, `apart` Å from one another along x."""
    return placed([(component(code), component(code).ideal + [apart * k, 0, 0]) for k, code in enumerate(codes)])


def placed(parts: Sequence[tuple[Component, np.ndarray]]) -> Structure:
    """Components with the positions of all their atoms, each a chain of its own."""
    heavy = [part.heavy for part, _ in parts]
    sizes = [int(keep.sum()) for keep in heavy]
    return Structure(
        chains=tuple(Chain("ABCDEFGH"[k], LIGAND, (part.code,)) for k, (part, _) in enumerate(parts)),
        chain=np.repeat(np.arange(len(parts)), sizes),
        residue=np.zeros(sum(sizes), np.int64),
        names=np.concatenate([np.array(part.names)[keep] for (part, _), keep in zip(parts, heavy, strict=True)]),
        elements=np.concatenate([part.elements[keep] for (part, _), keep in zip(parts, heavy, strict=True)]).astype(
            int
        ),
        charges=np.zeros(sum(sizes), np.int64),
        positions=np.concatenate([positions[keep] for (_, positions), keep in zip(parts, heavy, strict=True)]),
        bonds=np.zeros((0, 2), np.int64),
        components=Components({part.code: part for part, _ in parts}),
    )


def embedded(smiles: str, shape: str | None = None) -> Structure:
    """A ligand as one SMILES says, in the shape of another one with the same atoms in the same order."""
    positions = conformer(from_smiles(shape or smiles, "SHAPE"), seed=1)
    assert positions is not None
    return placed([(from_smiles(smiles, "LIG"), positions)])


def atom(structure: Structure, name: str, residue: int = 0, chain: int = 0) -> int:
    """Where an atom is."""
    here = (structure.names == name) & (structure.residue == residue) & (structure.chain == chain)
    return int(np.flatnonzero(here)[0])


def moved(structure: Structure, shifts: Mapping[int, Any]) -> Structure:
    """Some atoms somewhere else."""
    positions = structure.positions.copy()
    for place, shift in shifts.items():
        positions[place] += shift
    return replace(structure, positions=positions)


def swapped(structure: Structure, *pairs: tuple[int, ...]) -> Structure:
    """Pairs of atoms that have changed places."""
    order = np.arange(len(structure))
    for a, b in pairs:
        order[[a, b]] = order[[b, a]]
    return replace(structure, positions=structure.positions[order])


def entry(folder: Path, name: str) -> Structure:
    """An entry of the PDB without the atoms that the dictionary does not know."""
    structure = read_entry(folder / "data" / "structures" / f"{name}.cif.gz").structure
    known = np.ones(len(structure), bool)
    for chain, place, atoms in structure.residues():
        index = structure.components[chain.residues[place]].index
        known[atoms] = [name in index for name in structure.names[atoms].tolist()]
    return only(structure, known)


def only(structure: Structure, kept: np.ndarray) -> Structure:
    """Some of the atoms, and the bonds between them."""
    numbers = np.cumsum(kept) - 1
    names = ("chain", "residue", "names", "elements", "charges", "positions")
    columns = {name: getattr(structure, name)[kept] for name in names}
    return replace(structure, **columns, bonds=numbers[structure.bonds[kept[structure.bonds].all(axis=1)]])
