"""Ligands of a sample as SDF: atoms and bonds of the input, predicted positions, hydrogens implied."""

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Geometry import Point3D

from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.chem.molecules import NOT_CHEMISTRY, heavy_molecule, molecule
from alphafold3_pytorch.predict.provenance import Provenance
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence
from alphafold3_pytorch.structure.table import Structure


def ligand_sdfs(sample: Sample, confidence: Confidence, provenance: Provenance) -> Iterator[tuple[str, str]]:
    """Chain id and SDF text of every ligand of more than one atom."""
    structure = sample.structure
    for number, chain in enumerate(structure.chains):
        atoms = np.flatnonzero(structure.chain == number)
        if chain.is_polymer or len(atoms) < 2:
            continue
        properties = {
            "chain_id": chain.id,
            "components": " ".join(chain.residues),
            "mean_plddt": f"{sample.plddt[atoms].mean():.2f}",
            "ranking_score": f"{confidence.ranking_score:.4f}",
            "seed": str(sample.seed),
            "sample": str(sample.number),
            "weights": provenance.weights,
            "licence": provenance.licence,
            "warning": provenance.warning,
        }
        yield chain.id, sdf_text(ligand_molecule(structure, number), " ".join(chain.residues), properties)


def ligand_molecule(structure: Structure, chain: int) -> Any:
    """A ligand chain as one RDKit molecule, atoms in the order of the structure, stereochemistry as predicted."""
    mol, first, codes = Chem.RWMol(), int(np.argmax(structure.chain == chain)), structure.chains[chain].residues
    for owner, place, atoms in structure.residues():
        if owner is structure.chains[chain]:
            names = tuple(structure.names[atoms].tolist())
            mol.InsertMol(_residue(structure.components[codes[place]], names))
    for start, end in structure.bonds.tolist():
        if structure.chain[start] == structure.chain[end] == chain:
            mol.AddBond(start - first, end - first, Chem.BondType.SINGLE)
            for place in (start - first, end - first):
                mol.GetAtomWithIdx(place).SetNoImplicit(False)
                mol.GetAtomWithIdx(place).SetNumExplicitHs(0)
    mol.RemoveAllConformers()
    shape = Chem.Conformer(mol.GetNumAtoms())
    for place, point in enumerate(structure.positions[structure.chain == chain].tolist()):
        shape.SetAtomPosition(place, Point3D(*point))
    mol.AddConformer(shape)
    return _sanitized(mol)


def _residue(component: Component, names: tuple[str, ...]) -> Any:
    """A component with these atoms in this order. Hydrogens are counted, and guessed only next to a heavy atom lost."""
    whole = molecule(component)
    if whole is None:
        return heavy_molecule(component, names)
    mol, rows = Chem.RWMol(whole), {component.index[name]: row for row, name in enumerate(names)}
    Chem.Kekulize(mol, clearAromaticFlags=True)
    kept = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetIntProp("place") in rows]
    kept.sort(key=lambda place: rows[mol.GetAtomWithIdx(place).GetIntProp("place")])
    for place in kept:
        atom = mol.GetAtomWithIdx(place)
        lost = [near.GetAtomicNum() for near in atom.GetNeighbors() if near.GetIdx() not in kept]
        atom.SetNoImplicit(set(lost) <= {1})
        atom.SetNumExplicitHs(len(lost) if set(lost) <= {1} else 0)
    others = [place for place in range(mol.GetNumAtoms()) if place not in kept]
    mol = Chem.RWMol(Chem.RenumberAtoms(mol, kept + others))
    for place in reversed(range(len(kept), mol.GetNumAtoms())):
        mol.RemoveAtom(place)
    return mol


def _sanitized(mol: Any) -> Any:
    """With stereochemistry from the positions; as it is where RDKit does not accept the chemistry."""
    try:
        with rdBase.BlockLogs():
            Chem.SanitizeMol(mol)
            Chem.AssignStereochemistryFrom3D(mol)
    except NOT_CHEMISTRY:
        mol.UpdatePropertyCache(strict=False)
    return mol.GetMol()


def sdf_text(mol: Any, title: str, properties: dict[str, str]) -> str:
    """One SDF record."""
    mol = Chem.Mol(mol)
    with suppress(*NOT_CHEMISTRY), rdBase.BlockLogs():
        Chem.Kekulize(mol, clearAromaticFlags=True)
    mol.SetProp("_Name", title)
    for name, value in properties.items():
        if value:
            mol.SetProp(name, " ".join(value.split()))
    text = io.StringIO()
    with Chem.SDWriter(text) as writer:
        writer.SetKekulize(False)  # done, or not possible
        writer.write(mol)
    return text.getvalue()
