"""Component: one chemical component (a residue, a ligand, an ion) with its atoms and bonds, and its mmCIF form."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.chem import cif, elements
from alphafold3_pytorch.chem.residues import DNA, LIGAND, PROTEIN, RNA

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
    blocks = [block for block in cif.read(text) if "chem_comp" in block]
    found = {code: component for block in blocks for code, component in components_of(block).items()}
    if not found:
        raise ValueError(
            "there is no chemical component in this text; one starts with data_CODE and has _chem_comp.id and the "
            "table _chem_comp_atom"
        )
    return found


def components_of(block: cif.Block, wanted: Collection[str] | None = None) -> dict[str, Component]:
    """The components whose atoms a data block lists: its only one, or many that are told apart by `comp_id`."""
    codes = block.texts("chem_comp", "id", block.name).tolist()
    owners = block.texts("chem_comp_atom", "comp_id", codes[0] if codes else "")
    listed = [(row, code) for row, code in enumerate(codes) if code in owners and (wanted is None or code in wanted)]
    return {code: _component(block, row, code) for row, code in listed}


def _component(block: cif.Block, row: int, code: str) -> Component:
    atoms = block.texts("chem_comp_atom", "comp_id", code) == code
    column = lambda name, default=None: block.texts("chem_comp_atom", name, default)[atoms].tolist()  # noqa: E731
    known = lambda name: block.texts("chem_comp", name, "")[row].item()  # noqa: E731
    names = column("atom_id")
    charges = block.numbers("chem_comp_atom", "charge", 0.0)[atoms]
    if (charges % 1 > 0).any():
        raise ValueError(
            f"component {code}: _chem_comp_atom.charge has {charges[charges % 1 > 0][0]}; use whole numbers"
        )
    pairs, orders, aromatic = _bonds(block, code, _places(code, names))
    return Component(
        code=code,
        type=known("type") or "NON-POLYMER",
        names=tuple(names),
        elements=np.array([elements.atomic_number(symbol) for symbol in column("type_symbol")], np.int16),
        charges=np.nan_to_num(charges).astype(np.int16),
        leaving=np.array([flag == "Y" for flag in column("pdbx_leaving_atom_flag", "N")], bool),
        ideal=_coordinates(block, "pdbx_model_Cartn_{}_ideal")[atoms],
        model=_coordinates(block, "model_Cartn_{}")[atoms],
        bonds=pairs,
        orders=orders,
        aromatic=aromatic,
        letter=known("one_letter_code"),
        parent=known("mon_nstd_parent_comp_id"),
        name=known("name"),
        modified=known("pdbx_modified_date"),
        uncharted=bool(np.isnan(charges).any()),
    )


def _coordinates(block: cif.Block, pattern: str) -> Float[np.ndarray, "a 3"]:
    columns = [block.numbers("chem_comp_atom", pattern.format(axis), np.nan) for axis in "xyz"]
    return np.stack(columns, axis=1)


def _bonds(block: cif.Block, code: str, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mine = block.texts("chem_comp_bond", "comp_id", code) == code
    if not mine.any():
        return np.zeros((0, 2), np.int32), np.zeros(0, np.int8), np.zeros(0, bool)
    column = lambda name, default=None: block.texts("chem_comp_bond", name, default)[mine].tolist()  # noqa: E731
    ends = [column(f"atom_id_{end}") for end in (1, 2)]
    for name in (*ends[0], *ends[1]):
        if name not in index:
            raise ValueError(f"component {code} has a bond to atom {name}, which is not in its _chem_comp_atom table")
    orders = [value.upper()[:4] for value in column("value_order", "SING")]
    for order in orders:
        if order not in ORDERS:
            raise ValueError(f"component {code} has a bond of order {order!r}; known are {', '.join(ORDERS)}")
    flags = [flag == "Y" for flag in column("pdbx_aromatic_flag", "N")]
    pairs = [(index[a], index[b]) for a, b in zip(*ends, strict=True)]
    return np.array(pairs, np.int32), np.array([ORDERS[order] for order in orders], np.int8), np.array(flags, bool)
