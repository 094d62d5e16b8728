"""Structure to the PDB format, for programs that read nothing else. Biotite writes the records.

The format has room for chains of one letter, residues of three, 9,999 residues and 99,999 atoms; what does not fit is
refused. Components with longer codes, those of users' own ligands, become LIG, 01, 02 and so on, which the PDB reserves
for that; a REMARK says which is which.
"""

import io
from collections.abc import Iterable
from textwrap import wrap
from typing import Any

import numpy as np
from biotite.structure import AtomArray
from biotite.structure.bonds import BondList, BondType  # pyright: ignore[reportMissingImports]
from biotite.structure.error import BadStructureError
from biotite.structure.io.pdb import PDBFile
from jaxtyping import Float

from alphafold3_pytorch.chem import elements
from alphafold3_pytorch.structure.entities import is_standard
from alphafold3_pytorch.structure.mmcif_chemistry import disulfides
from alphafold3_pytorch.structure.table import Structure

MOST_ATOMS, MOST_RESIDUES, CODE = 99_999, 9_999, 3
WAY_OUT = "use the mmCIF file instead"


def pdb_text(structure: Structure, b_factors: Float[np.ndarray, "m"], remarks: Iterable[str] = ()) -> str:
    """The PDB text of a structure whose atoms all have positions."""
    _check(structure)
    atoms: Any = to_atom_array(structure)
    short = _short_codes(structure)
    atoms.res_name = np.array([short.get(code, code) for code in atoms.res_name.tolist()])
    atoms.set_annotation("b_factor", b_factors)
    file, text = PDBFile(), io.StringIO()
    try:
        file.set_structure(atoms)
    except BadStructureError as error:
        raise ValueError(f"the structure does not fit into a PDB file: {error}; {WAY_OUT}") from None
    file.write(text)
    notes = [*remarks, *(f"Component {code} is called {new} here." for code, new in short.items())]
    head = [f"REMARK   1 {line}" for note in notes for line in wrap(note, 69)]
    return "\n".join([*head, text.getvalue().rstrip("\n"), "END", ""])


def _check(structure: Structure) -> None:
    long = next((chain.id for chain in structure.chains if len(chain.id) > 1), None)
    if long:
        raise ValueError(f"chain {long} has an id of more than one letter, for which PDB files have no room; {WAY_OUT}")
    largest = max(len(chain.residues) for chain in structure.chains)
    for count, most, what in ((len(structure), MOST_ATOMS, "atoms"), (largest, MOST_RESIDUES, "residues in a chain")):
        if count > most:
            raise ValueError(f"there are {count} {what}; PDB files have room for {most}; {WAY_OUT}")
    name = next((name for name in structure.names.tolist() if len(name) > 4), None)
    if name:
        raise ValueError(f"atom name {name} has more than four letters, for which PDB files have no room; {WAY_OUT}")


def _short_codes(structure: Structure) -> dict[str, str]:
    """Codes that are too long, with what stands for them."""
    codes = dict.fromkeys(code for chain in structure.chains for code in chain.residues)
    names = (f"{number:02}" if number else "LIG" for number in range(100))
    free = (name for name in names if name not in codes)
    short = dict(zip((code for code in codes if len(code) > CODE), free, strict=False))
    left = next((code for code in codes if len(code) > CODE and code not in short), None)
    if left:
        raise ValueError(f"PDB files have no name left for component {left}; {WAY_OUT}")
    return short


def to_atom_array(structure: Structure) -> AtomArray:
    """The atoms as Biotite's table, with the bonds inside hetero groups and between residues."""
    residues = [(chain, code) for chain in structure.chains for code in chain.residues]
    keys = structure.residue_keys
    atoms = AtomArray(len(structure))
    atoms.coord = structure.positions.astype(np.float32)
    atoms.chain_id = np.array([chain.id for chain in structure.chains])[structure.chain]
    atoms.res_id = structure.residue + 1
    atoms.res_name = np.array([code for _, code in residues])[keys]
    atoms.hetero = np.array([not is_standard(code, chain) for chain, code in residues])[keys]
    atoms.atom_name = structure.names
    atoms.element = np.array([elements.symbol(number).upper() for number in structure.elements.tolist()])
    atoms.set_annotation("charge", structure.charges)
    bonds = np.concatenate([_hetero_bonds(structure), structure.bonds, disulfides(structure)])
    kinds = np.full((len(bonds), 1), BondType.ANY)
    atoms.bonds = BondList(len(structure), np.hstack([bonds, kinds]))
    return atoms


def _hetero_bonds(structure: Structure) -> np.ndarray:
    """Bonds inside residues that are not standard, as pairs of atoms."""
    pairs = []
    for chain, place, atoms in structure.residues():
        code = chain.residues[place]
        if is_standard(code, chain):
            continue
        component = structure.components[code]
        where = {name: atoms.start + row for row, name in enumerate(structure.names[atoms].tolist())}
        ends = [[component.names[end] for end in bond] for bond in component.bonds.tolist()]
        pairs += [(where[a], where[b]) for a, b in ends if a in where and b in where]
    return np.array(pairs, np.int64).reshape(-1, 2)
