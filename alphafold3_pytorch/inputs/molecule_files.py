"""Molecules of a user's own between a job and the files that can hold them: SDF, and mmCIF as in the dictionary."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Geometry import Point3D

from alphafold3_pytorch.chem import elements
from alphafold3_pytorch.chem.component import ORDERS, Component
from alphafold3_pytorch.chem.conformers import conformer
from alphafold3_pytorch.chem.ligands import from_sdf
from alphafold3_pytorch.chem.molecules import molecule
from alphafold3_pytorch.inputs.reading import find, read_text
from alphafold3_pytorch.structure import cif_text

ORDER_NAMES = {number: name for name, number in ORDERS.items()}
SUFFIXES = (".sdf", ".mol", ".sd", ".mdl")


def read_molecule(folder: Path, path: str) -> Component:
    """The molecule of an SDF or MOL file."""
    plain = path.lower().removesuffix(".gz").removesuffix(".xz").removesuffix(".zst")
    if not plain.endswith(SUFFIXES):
        raise ValueError(f"{path} is no SDF or MOL file; convert it to one")
    text = read_text(find(folder, path))
    count = sum(1 for part in text.split("$$$$") if part.strip())
    if count > 1:
        raise ValueError(f"{path} has {count} molecules; a ligand is one molecule, write each into a file of its own")
    return from_sdf(text, "LIG")


def shaped(component: Component) -> Component:
    """With coordinates of all atoms, which tell its stereochemistry; as it was where RDKit has none."""
    if not np.isnan(component.ideal).any():
        return component
    positions = conformer(component, seed=1)
    return component if positions is None else replace(component, ideal=positions)


def smiles_of(component: Component) -> str:
    """SMILES of a component that RDKit understands."""
    return Chem.MolToSmiles(Chem.RemoveHs(molecule(component)))


def sdf_of(component: Component) -> str:
    """A component that RDKit understands as an SDF file with hydrogens and coordinates."""
    component = shaped(component)
    mol = Chem.Mol(molecule(component))
    mol.RemoveAllConformers()
    shape = Chem.Conformer(mol.GetNumAtoms())
    for atom in mol.GetAtoms():
        point = np.nan_to_num(component.ideal[atom.GetIntProp("place")]).tolist()
        shape.SetAtomPosition(atom.GetIdx(), Point3D(*point))
    mol.AddConformer(shape)
    return f"{Chem.MolToMolBlock(mol)}$$$$\n"


def sdf_names(component: Component) -> dict[str, str]:
    """What readers of its SDF file call each atom: element and number, in the order of the file."""
    counts: dict[str, int] = {}
    names = {}
    for atom in molecule(component).GetAtoms():
        symbol = atom.GetSymbol().upper()
        counts[symbol] = counts.get(symbol, 0) + 1
        names[component.names[atom.GetIntProp("place")]] = f"{symbol}{counts[symbol]}"
    return names


def cif_of(component: Component) -> str:
    """The component as the dictionary would have it, with every item that AlphaFold 3 asks of a userCCD."""
    count = len(component.names)
    entry = {
        "id": component.code,
        "name": component.name,
        "type": component.type,
        "formula": "",
        "formula_weight": "",
        "one_letter_code": component.letter,
        "mon_nstd_parent_comp_id": component.parent,
        "pdbx_synonyms": "",
        "pdbx_modified_date": component.modified,
    }
    charges = [str(charge) for charge in component.charges.tolist()]
    if component.uncharted:
        charges = ["?" if charge == "0" else charge for charge in charges]
    atoms = {
        "comp_id": [component.code] * count,
        "atom_id": list(component.names),
        "type_symbol": [elements.symbol(number).upper() for number in component.elements.tolist()],
        "charge": charges,
        "pdbx_leaving_atom_flag": ["NY"[leaving] for leaving in component.leaving.tolist()],
        **_coordinates("pdbx_model_Cartn_{}_ideal", component.ideal),
    }
    if component.model is not None:
        atoms |= _coordinates("model_Cartn_{}", component.model)
    ends = [[component.names[atom] for atom in column] for column in component.bonds.T.tolist()] or [[], []]
    bonds = {
        "comp_id": [component.code] * len(component.bonds),
        "atom_id_1": ends[0],
        "atom_id_2": ends[1],
        "value_order": [ORDER_NAMES[order] for order in component.orders.tolist()],
        "pdbx_aromatic_flag": ["NY"[flag] for flag in component.aromatic.tolist()],
    }
    known = {item: [value or "?"] for item, value in entry.items()}
    return cif_text.write(component.code, {"chem_comp": known, "chem_comp_atom": atoms, "chem_comp_bond": bonds})


def _coordinates(pattern: str, positions: np.ndarray) -> dict[str, list[str]]:
    columns = {}
    for axis, values in zip("xyz", positions.T.tolist(), strict=True):
        columns[pattern.format(axis)] = ["?" if value != value else f"{value:.4f}" for value in values]
    return columns
