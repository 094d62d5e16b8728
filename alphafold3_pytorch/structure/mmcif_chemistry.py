"""The chemistry of a structure in mmCIF: components with all their atoms and bonds, and bonds between residues."""

from collections import Counter

import numpy as np
from jaxtyping import Bool, Int
from rdkit import Chem

from alphafold3_pytorch.chem import elements
from alphafold3_pytorch.chem.component import ORDERS, Component
from alphafold3_pytorch.structure.cif_text import Table
from alphafold3_pytorch.structure.entities import STANDARD, Entity
from alphafold3_pytorch.structure.table import Structure

ORDER_NAMES = {order: name.lower() for name, order in ORDERS.items()}
NONMETALS = frozenset(
    elements.atomic_number(s) for s in "H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Te I Xe At Rn X".split()
)
SULFUR = elements.atomic_number("S")
DISULFIDE = (1.5, 2.5)  # Å; the bond is 2.05 long


def component_tables(structure: Structure) -> dict[str, Table]:
    """Every component that occurs, so that the bonds of users' own ligands travel with the file."""
    codes = sorted({code for chain in structure.chains for code in chain.residues})
    components = [structure.components[code] for code in codes]
    return {
        "chem_comp": _chem_comp(components),
        "chem_comp_atom": _chem_comp_atom(components),
        "chem_comp_bond": _chem_comp_bond(components),
    }


def _chem_comp(components: list[Component]) -> Table:
    formulas = [formula(component) for component in components]
    return {
        "formula": [text for text, _ in formulas],
        "formula_weight": [f"{weight:.3f}" for _, weight in formulas],
        "id": [component.code for component in components],
        "mon_nstd_flag": [_standard_flag(component) for component in components],
        "name": [component.name or "?" for component in components],
        "pdbx_synonyms": ["?"] * len(components),
        "type": [component.type for component in components],
    }


def _standard_flag(component: Component) -> str:
    if component.code in STANDARD:
        return "y"
    return "n" if "linking" in component.type.lower() else "."


def formula(component: Component) -> tuple[str, float]:
    """`C3 H7 N O2` in Hill order, and the weight in g/mol."""
    counts = Counter(elements.symbol(number) for number in component.elements.tolist())
    first = ["C", "H"] if "C" in counts else []
    symbols = [*first, *sorted(set(counts) - set(first))]
    table = Chem.GetPeriodicTable()
    weight = sum(table.GetAtomicWeight(symbol) * counts[symbol] for symbol in counts if symbol != "X")
    parts = [f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in symbols if counts[symbol]]
    return " ".join(parts), weight


def _chem_comp_atom(components: list[Component]) -> Table:
    aromatic = [set(component.bonds[component.aromatic].ravel().tolist()) for component in components]
    count = sum(len(component.names) for component in components)
    return {
        "comp_id": [component.code for component in components for _ in component.names],
        "atom_id": [name for component in components for name in component.names],
        "type_symbol": [elements.symbol(n).upper() for component in components for n in component.elements.tolist()],
        "charge": [str(charge) for component in components for charge in component.charges.tolist()],
        "pdbx_aromatic_flag": [
            "Y" if place in rings else "N"
            for component, rings in zip(components, aromatic, strict=True)
            for place in range(len(component.names))
        ],
        "pdbx_leaving_atom_flag": ["NY"[flag] for component in components for flag in component.leaving.tolist()],
        "pdbx_ordinal": [str(number + 1) for number in range(count)],
    }


def _chem_comp_bond(components: list[Component]) -> Table:
    rows = [
        (component.code, component.names[first], component.names[second], ORDER_NAMES[order], "NY"[aromatic])
        for component in components
        for (first, second), order, aromatic in zip(
            component.bonds.tolist(), component.orders.tolist(), component.aromatic.tolist(), strict=True
        )
    ]
    names = ("comp_id", "atom_id_1", "atom_id_2", "value_order", "pdbx_aromatic_flag")
    table = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    return table | {"pdbx_ordinal": [str(number + 1) for number in range(len(rows))]}


def branch_links(branched: list[Entity], structure: Structure) -> Table:
    """Bonds between the residues of branched entities, from the child's side, where it loses its oxygen."""
    rows = []
    for entity in branched:
        for link in entity.links:
            ends = sorted([link[:2], link[2:]], reverse=True)
            columns = [(str(place + 1), entity.residues[place], atom) for place, atom in ends]
            leaving = [_leaving(structure.components[code], atom) for _, code, atom in columns]
            rows.append([entity.id, *columns[0], leaving[0], *columns[1], leaving[1]])
    parts = ("entity_branch_list_num", "comp_id", "atom_id", "leaving_atom_id")
    names = ["entity_id", *(f"{part}_{end}" for end in (1, 2) for part in parts)]
    table = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    numbers = [str(number + 1) for number in range(len(rows))]
    return {"link_id": numbers} | table | {"value_order": ["sing"] * len(rows)}


def _leaving(component: Component, atom: str) -> str:
    """What an atom loses when it is bonded: the neighbour that the dictionary calls leaving, else a hydrogen."""
    near = component.neighbours(atom)
    flagged = [name for name in near if component.leaving[component.index[name]]]
    hydrogens = [name for name in near if component.elements[component.index[name]] == 1]
    return next(iter(flagged + hydrogens), "?")


def connections(structure: Structure, known: Bool[np.ndarray, "m"]) -> dict[str, Table]:
    """Declared bonds between residues and disulfides, with their lengths (Å)."""
    declared = structure.bonds[known[structure.bonds].all(axis=1)]
    bonds = np.concatenate([declared, disulfides(structure)])
    lengths = np.linalg.norm(structure.positions[bonds[:, 0]] - structure.positions[bonds[:, 1]], axis=1)
    types = [_bond_type(structure, first, second) for first, second in bonds.tolist()]
    seen: Counter[str] = Counter()
    ids = []
    for kind in types:
        seen[kind] += 1
        ids.append(f"{kind}{seen[kind]}")
    missing = ["?"] * len(bonds)
    table = {"id": ids, "conn_type_id": types, "pdbx_leaving_atom_flag": missing}
    for end in (1, 2):
        table |= _partner(structure, bonds[:, end - 1].tolist(), end)
    table |= {
        "pdbx_dist_value": [f"{length:.3f}" for length in lengths.tolist()],
        "pdbx_value_order": ["?" if kind == "metalc" else "sing" for kind in types],
        "pdbx_role": missing,
    }
    kinds = list(dict.fromkeys(types))
    unknown = ["?"] * len(kinds)
    return {"struct_conn": table, "struct_conn_type": {"id": kinds, "criteria": unknown, "reference": unknown}}


def _partner(structure: Structure, atoms: list[int], end: int) -> Table:
    chains = [structure.chains[structure.chain[atom]] for atom in atoms]
    places = [int(structure.residue[atom]) for atom in atoms]
    codes = [chain.residues[place] for chain, place in zip(chains, places, strict=True)]
    ids, numbers = [chain.id for chain in chains], [str(place + 1) for place in places]
    return {
        f"ptnr{end}_label_asym_id": ids,
        f"ptnr{end}_label_comp_id": codes,
        f"ptnr{end}_label_seq_id": [n if chain.is_polymer else "." for n, chain in zip(numbers, chains, strict=True)],
        f"ptnr{end}_label_atom_id": [str(structure.names[atom]) for atom in atoms],
        f"pdbx_ptnr{end}_label_alt_id": ["?"] * len(atoms),
        f"pdbx_ptnr{end}_PDB_ins_code": ["?"] * len(atoms),
        f"ptnr{end}_symmetry": ["1_555"] * len(atoms),
        f"ptnr{end}_auth_asym_id": ids,
        f"ptnr{end}_auth_comp_id": codes,
        f"ptnr{end}_auth_seq_id": numbers,
    }


def _bond_type(structure: Structure, first: int, second: int) -> str:
    ends = structure.elements[[first, second]].tolist()
    if not NONMETALS.issuperset(ends):
        return "metalc"
    polymer = all(structure.chains[structure.chain[atom]].is_polymer for atom in (first, second))
    return "disulf" if polymer and ends == [SULFUR, SULFUR] else "covale"


def disulfides(structure: Structure) -> Int[np.ndarray, "k 2"]:
    """Pairs of SG atoms of cysteines at bonding distance that have no declared bond, nearest first."""
    cysteine = np.array([code == "CYS" for chain in structure.chains for code in chain.residues])
    known = ~np.isnan(structure.positions.sum(axis=1))
    free = cysteine[structure.residue_keys] & (structure.names == "SG") & known
    free[structure.bonds] = False
    atoms = np.flatnonzero(free)
    distances = np.linalg.norm(structure.positions[atoms, None] - structure.positions[atoms], axis=-1)
    rows, columns = np.nonzero(np.triu((distances > DISULFIDE[0]) & (distances < DISULFIDE[1])))
    pairs: list[tuple[int, int]] = []
    for place in np.argsort(distances[rows, columns]).tolist():
        pair = int(atoms[rows[place]]), int(atoms[columns[place]])
        if not any(atom in used for used in pairs for atom in pair):
            pairs.append(pair)
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)
