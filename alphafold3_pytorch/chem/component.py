"""Component: one chemical component (a residue, a ligand, an ion) with its atoms and bonds, and its mmCIF form."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.chem import cif, elements
from alphafold3_pytorch.chem.residues import DNA, LIGAND, PROTEIN, RNA

MISSING = ("?", ".", "")
ORDERS = {"SING": 1, "DOUB": 2, "TRIP": 3, "QUAD": 4, "AROM": 5, "DELO": 6, "PI": 7, "POLY": 8}


@dataclass(frozen=True, eq=False)
class Component:
    """Atoms in dictionary order, hydrogens included. Coordinates are Å, NaN where unknown."""

    code: str
    type: str  # as the dictionary has it: "L-PEPTIDE LINKING", "NON-POLYMER"
    names: tuple[str, ...]
    elements: Int[np.ndarray, "a"]
    charges: Int[np.ndarray, "a"]
    leaving: Bool[np.ndarray, "a"]
    ideal: Float[np.ndarray, "a 3"]
    bonds: Int[np.ndarray, "k 2"]
    orders: Int[np.ndarray, "k"]  # ORDERS
    aromatic: Bool[np.ndarray, "k"]
    model: Float[np.ndarray, "a 3"] | None = None  # coordinates from an experiment
    letter: str = ""  # one-letter code of the parent, empty where the dictionary has none
    parent: str = ""
    name: str = ""
    modified: str = ""  # date of the last change, ISO
    uncharted: bool = False  # the dictionary leaves the charge of some atom open
    mol: Any = None  # an RDKit molecule with the same atoms, of a ligand that was given as one
    index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", _places(self.code, self.names))

    @property
    def heavy(self) -> Bool[np.ndarray, "a"]:
        return self.elements != 1

    @property
    def is_saccharide(self) -> bool:
        return "saccharide" in self.type.lower()

    @property
    def is_ion(self) -> bool:
        return len(self.names) == 1

    @property
    def kind(self) -> str:
        """The kind of chain that it can be a residue of."""
        upper = self.type.upper()
        kinds = {"PEPTIDE": PROTEIN, "RNA LINKING": RNA, "DNA LINKING": DNA, "RNA OH": RNA, "DNA OH": DNA}
        return next((kind for word, kind in kinds.items() if word in upper), LIGAND)

    def neighbours(self, atom: str) -> list[str]:
        """Names of the atoms bonded to an atom."""
        place = self.index[atom]
        pairs = self.bonds[(self.bonds == place).any(axis=1)]
        return [self.names[a if b == place else b] for a, b in pairs]

    def positions(self, before: str) -> Float[np.ndarray, "a 3"]:
        """Ideal coordinates; where some are missing, the experiment's if the entry is older than `before`; else 0."""
        positions = self.ideal
        if np.isnan(positions).any() and self.model is not None and self.modified and self.modified < before:
            positions = self.model
        return np.nan_to_num(positions, nan=0.0)


def _places(code: str, names: Sequence[str]) -> dict[str, int]:
    """Where each atom name is."""
    places = {name: place for place, name in enumerate(names)}
    if len(places) != len(names):
        twice = next(name for place, name in enumerate(names) if places[name] != place)
        raise ValueError(f"component {code} has two atoms named {twice}; atom names must be unique")
    return places


def read_components(text: str) -> dict[str, Component]:
    """Components of an mmCIF file in the form of the chemical component dictionary, by code."""
    blocks = [block for block in cif.read(text) if block.table("chem_comp")]
    if not blocks:
        raise ValueError("there is no chemical component in this text; one starts with data_CODE and has _chem_comp.id")
    found = [_component(block) for block in blocks]
    return {component.code: component for component in found}


def _component(block: cif.Block) -> Component:
    code = block.value("chem_comp", "id", block.name)
    names = block.column("chem_comp_atom", "atom_id")
    index = _places(code, names)
    charges = [_charge(value) for value in block.column("chem_comp_atom", "charge", "0")]
    pairs, orders, aromatic = _bonds(block, code, index)
    known = lambda name: "" if (value := block.value("chem_comp", name)) in MISSING else value  # noqa: E731
    return Component(
        code=code,
        type=block.value("chem_comp", "type", "NON-POLYMER"),
        names=tuple(names),
        elements=np.array([elements.atomic_number(s) for s in block.column("chem_comp_atom", "type_symbol")], np.int16),
        charges=np.array([charge or 0 for charge in charges], np.int16),
        leaving=np.array([flag == "Y" for flag in block.column("chem_comp_atom", "pdbx_leaving_atom_flag", "N")], bool),
        ideal=_coordinates(block, "pdbx_model_Cartn_{}_ideal"),
        model=_coordinates(block, "model_Cartn_{}"),
        bonds=pairs,
        orders=orders,
        aromatic=aromatic,
        letter=known("one_letter_code"),
        parent=known("mon_nstd_parent_comp_id"),
        name=known("name"),
        modified=known("pdbx_modified_date"),
        uncharted=None in charges,
    )


def _charge(value: str) -> int | None:
    if value in MISSING:
        return None
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"_chem_comp_atom.charge is {value!r}; it must be a whole number") from None


def _coordinates(block: cif.Block, pattern: str) -> Float[np.ndarray, "a 3"]:
    columns = [block.column("chem_comp_atom", pattern.format(axis), "?") for axis in "xyz"]
    try:
        rows = [[np.nan if value in MISSING else float(value) for value in row] for row in zip(*columns, strict=True)]
    except ValueError as error:
        raise ValueError(f"data_{block.name}: _chem_comp_atom.{pattern.format('x')} and its like: {error}") from None
    return np.array(rows, float).reshape(-1, 3)


def _bonds(block: cif.Block, code: str, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not block.table("chem_comp_bond"):
        return np.zeros((0, 2), np.int32), np.zeros(0, np.int8), np.zeros(0, bool)
    ends = [block.column("chem_comp_bond", f"atom_id_{end}") for end in (1, 2)]
    for name in (*ends[0], *ends[1]):
        if name not in index:
            raise ValueError(f"component {code} has a bond to atom {name}, which is not in its _chem_comp_atom table")
    orders = [value.upper()[:4] for value in block.column("chem_comp_bond", "value_order", "SING")]
    for order in orders:
        if order not in ORDERS:
            raise ValueError(f"component {code} has a bond of order {order!r}; known are {', '.join(ORDERS)}")
    flags = [flag == "Y" for flag in block.column("chem_comp_bond", "pdbx_aromatic_flag", "N")]
    pairs = [(index[a], index[b]) for a, b in zip(*ends, strict=True)]
    return np.array(pairs, np.int32), np.array([ORDERS[order] for order in orders], np.int8), np.array(flags, bool)
