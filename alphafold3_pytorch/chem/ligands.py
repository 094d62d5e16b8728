"""Ligands that are not in the dictionary: SMILES, RDKit molecules, SDF and MOL files. Ions and glycans by notation."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.component import ORDERS, Component

_ORDER_OF = {
    Chem.BondType.SINGLE: ORDERS["SING"],
    Chem.BondType.DOUBLE: ORDERS["DOUB"],
    Chem.BondType.TRIPLE: ORDERS["TRIP"],
    Chem.BondType.AROMATIC: ORDERS["AROM"],
    Chem.BondType.DATIVE: ORDERS["SING"],
}


def from_smiles(smiles: str, code: str) -> Component:
    """A ligand from SMILES. Atoms are named by element and number in the order of the string: C1, C2, O1, CL1."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
    if mol is None or mol.GetNumAtoms() == 0:
        raise ValueError(
            f"smiles {smiles!r} is not a molecule that RDKit understands; check brackets, ring numbers and valences, "
            "or give the ligand as a component in mmCIF form"
        )
    return from_mol(Chem.AddHs(mol), code)


def from_mol(mol: Any, code: str) -> Component:
    """A ligand from an RDKit molecule; hydrogens that it lacks are added, a conformer that it has is kept as ideal."""
    mol = Chem.AddHs(mol, addCoords=True)
    if not mol.GetNumAtoms():
        raise ValueError(f"ligand {code} is an RDKit molecule without atoms")
    kekulized = Chem.Mol(mol)
    Chem.Kekulize(kekulized)
    atoms, bonds = list(mol.GetAtoms()), list(kekulized.GetBonds())
    shape = mol.GetConformer().GetPositions() if mol.GetNumConformers() and mol.GetConformer().Is3D() else None
    return Component(
        code=code,
        type="NON-POLYMER",
        names=_names(atoms),
        elements=np.array([atom.GetAtomicNum() for atom in atoms], np.int16),
        charges=np.array([atom.GetFormalCharge() for atom in atoms], np.int16),
        leaving=np.zeros(len(atoms), bool),
        ideal=np.full((len(atoms), 3), np.nan) if shape is None else shape,
        bonds=np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds], np.int32).reshape(-1, 2),
        orders=np.array([_ORDER_OF.get(bond.GetBondType(), ORDERS["SING"]) for bond in bonds], np.int8),
        aromatic=np.array([bond.GetIsAromatic() for bond in bonds], bool),
        name=Chem.MolToSmiles(Chem.RemoveHs(mol)),
        mol=mol,
    )


def _names(atoms: list[Any]) -> tuple[str, ...]:
    """Names that the molecule brings (property `atom_name`), else element and number."""
    counts: dict[str, int] = {}
    names = []
    for atom in atoms:
        symbol = atom.GetSymbol().upper()
        counts[symbol] = counts.get(symbol, 0) + 1
        names.append(atom.GetProp("atom_name") if atom.HasProp("atom_name") else f"{symbol}{counts[symbol]}")
    return tuple(names)


def from_sdf(text: str, code: str) -> Component:
    """The first molecule of an SDF or MOL file."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock(text.split("$$$$")[0], removeHs=False)
    if mol is None:
        raise ValueError(f"the SDF or MOL text of ligand {code} is not a molecule that RDKit understands")
    return from_mol(mol, code)


_ION = re.compile(r"^\s*([A-Za-z]{1,2})\s*(\d*)\s*([+-]?)(\d*)\s*$")


def ion_code(name: str, components: Components | None = None) -> str:
    """The component code of an ion: `Mg`, `mg`, `MG`, `Mg2+` and `MG+2` are MG; `Fe` is FE (3+), `Fe2+` is FE2."""
    components = components or Components()
    match = _ION.match(name)
    symbol = (match[1] if match else name).strip().upper()
    charge = match[2] + match[4] if match and match[3] else ""
    exact = name.strip().upper()
    for code in (exact, symbol, f"{symbol}{charge}"):
        if code in components and components[code].is_ion and _charge_fits(components[code], match):
            return code
    raise ValueError(
        f"metal_ions: {name!r} is not an ion of the dictionary; write the element (Mg) or the code (MG, FE2)"
    )


def _charge_fits(component: Component, match: re.Match[str] | None) -> bool:
    if match is None or not match[3]:
        return True
    size = int(match[2] or match[4] or 1)
    return int(component.charges[0]) == (-size if match[3] == "-" else size)


@dataclass(frozen=True)
class Glycan:
    """Sugars, the one at the reducing end first, and the bonds between them as (parent, its atom, child, its atom)."""

    codes: tuple[str, ...]
    bonds: tuple[tuple[int, str, int, str], ...]


_GLYCAN = re.compile(r"\s*(?:(\()|(\))|(?:(\d)-(\d)\s*)?([A-Za-z0-9]+))")


def parse_glycan(text: str) -> Glycan:
    """`NAG(4-1 NAG(4-1 BMA(3-1 MAN)(6-1 MAN)))`: in brackets what hangs on a sugar, from its O4 to C1 of the next."""
    codes: list[str] = []
    bonds: list[tuple[int, str, int, str]] = []
    parents: list[int] = []
    place, current = 0, -1
    while place < len(text.rstrip()):
        match = _GLYCAN.match(text, place)
        if match is None or (match[1] and not codes) or (match[2] and not parents):
            raise ValueError(f"glycan {text!r} is not understood from position {place}; write NAG(4-1 NAG(4-1 BMA))")
        place = match.end()
        if match[1]:
            parents.append(current)
        elif match[2]:
            current = parents.pop()
        else:
            codes.append(match[5].upper())
            current = len(codes) - 1
            if len(codes) > 1:
                bonds.append(_glycosidic(text, match, parents, len(codes) - 1))
    if parents:
        raise ValueError(f"glycan {text!r} lacks {len(parents)} closing bracket{'s' * (len(parents) > 1)}")
    return Glycan(tuple(codes), tuple(bonds))


def _glycosidic(text: str, match: re.Match[str], parents: list[int], child: int) -> tuple[int, str, int, str]:
    if not parents:
        raise ValueError(
            f"glycan {text!r}: {match[5]} hangs on nothing; put what hangs on a sugar in brackets behind it"
        )
    if not match[3]:
        raise ValueError(f"glycan {text!r}: say how {match[5]} is bonded, for example (4-1 {match[5]}) for O4 to C1")
    return parents[-1], f"O{match[3]}", child, f"C{match[4]}"
