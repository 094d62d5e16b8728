"""Entry to mmCIF: the structure and what is known of the experiment, so that `read_entry` gives the entry again."""

import re

import numpy as np
from jaxtyping import Bool

from alphafold3_pytorch.chem.ccd_cache import dictionary
from alphafold3_pytorch.structure import cif_text
from alphafold3_pytorch.structure.cif_text import Table
from alphafold3_pytorch.structure.entities import entities_of
from alphafold3_pytorch.structure.mmcif import Entry
from alphafold3_pytorch.structure.mmcif_chemistry import component_tables, connections
from alphafold3_pytorch.structure.mmcif_text import atom_site, entity_tables, scheme_tables
from alphafold3_pytorch.structure.table import Structure

_NUMBER = re.compile(r"(-?\d+)(.*)")  # of an author: the number and the insertion code


def entry_text(entry: Entry) -> str:
    """The mmCIF text of an entry, under its id. The authors' names of chains and residues stay beside the labels."""
    structure = entry.structure
    entities = entities_of(structure)
    known = ~np.isnan(structure.positions.sum(axis=1))
    written = {
        "entry": {"id": [entry.id]},
        **_experiment(entry),
        **_components(structure),
        **entity_tables(entities, structure),
        **scheme_tables(entities),
        **_declared(structure, known),
        "atom_site": atom_site(structure, entities, known, None) | _coordinates(structure, known),
    }
    _name_as_authors_do(written, entry, known)
    return cif_text.write(entry.id, written)


def _experiment(entry: Entry) -> dict[str, Table]:
    methods = entry.method.split("; ") if entry.method else []
    limit = ("em_3d_reconstruction", "resolution") if "ELECTRON MICROSCOPY" in methods else ("refine", "ls_d_res_high")
    resolution = [] if entry.resolution is None else [repr(entry.resolution)]
    return {
        "exptl": {"entry_id": [entry.id] * len(methods), "method": methods},
        limit[0]: {"entry_id": [entry.id] * len(resolution), limit[1]: resolution},
        "pdbx_audit_revision_history": {
            "ordinal": ["1"] * bool(entry.released),
            "data_content_type": ["Structure model"] * bool(entry.released),
            "revision_date": [entry.released] * bool(entry.released),
        },
    }


def _components(structure: Structure) -> dict[str, Table]:
    """Components by name; the atoms and bonds only of those that are not in the dictionary."""
    tables = component_tables(structure)
    for name in ("chem_comp_atom", "chem_comp_bond"):
        own = np.array([code not in dictionary() for code in tables[name]["comp_id"]], bool)
        tables[name] = {item: np.array(column)[own].tolist() for item, column in tables[name].items()}
    return tables


def _declared(structure: Structure, known: Bool[np.ndarray, "m"]) -> dict[str, Table]:
    """Bonds of the entry. `connections` lists them first; the disulfides that it finds behind them are not declared."""
    count = int(known[structure.bonds].all(axis=1).sum())
    table = {name: column[:count] for name, column in connections(structure, known)["struct_conn"].items()}
    kinds = list(dict.fromkeys(table["conn_type_id"]))
    return {"struct_conn": table, "struct_conn_type": {"id": kinds, "criteria": ["?"] * len(kinds)}}


def _coordinates(structure: Structure, known: Bool[np.ndarray, "m"]) -> Table:
    """All digits of positions that have more than the usual three."""
    positions = structure.positions[known]
    if np.array_equal(positions, positions.round(3)):
        return {}
    columns = zip("xyz", positions.T.tolist(), strict=True)
    return {f"Cartn_{axis}": [np.format_float_positional(v, min_digits=3) for v in column] for axis, column in columns}


def _name_as_authors_do(tables: dict[str, Table], entry: Entry, known: Bool[np.ndarray, "m"]) -> None:
    """In place. Residues of ligands keep our numbers, by which the table of connections finds them."""
    chains, structure = entry.structure.chains, entry.structure
    authors = {chain.id: names.chain for chain, names in zip(chains, entry.authors, strict=True)}
    numbers = np.array(
        [
            names.residues[place] if chain.is_polymer and names.residues[place] else str(place + 1)
            for chain, names in zip(chains, entry.authors, strict=True)
            for place in range(len(chain.residues))
        ]
    )
    polymers = np.array([chain.id in authors and chain.is_polymer for chain in chains for _ in chain.residues])
    atoms, scheme = tables["atom_site"], tables["pdbx_poly_seq_scheme"]
    atoms["auth_asym_id"] = [authors[chain] for chain in atoms["label_asym_id"]]
    atoms["auth_seq_id"], atoms["pdbx_PDB_ins_code"] = _split(numbers[structure.residue_keys[known]].tolist())
    place = {key: number for key, number in zip(_keys(entry), numbers[polymers].tolist(), strict=True)}
    listed = [place[key] for key in zip(scheme["asym_id"], scheme["seq_id"], strict=True)]
    scheme["pdb_strand_id"] = [authors[chain] for chain in scheme["asym_id"]]
    scheme["pdb_seq_num"], scheme["pdb_ins_code"] = _split(listed)
    scheme["auth_seq_num"] = scheme["pdb_seq_num"]
    for end in (1, 2):
        table = tables["struct_conn"]
        table[f"ptnr{end}_auth_asym_id"] = [authors[chain] for chain in table[f"ptnr{end}_label_asym_id"]]


def _keys(entry: Entry) -> list[tuple[str, str]]:
    """Chain and number of every residue of the polymers."""
    polymers = [chain for chain in entry.structure.chains if chain.is_polymer]
    return [(chain.id, str(number + 1)) for chain in polymers for number in range(len(chain.residues))]


def _split(numbers: list[str]) -> tuple[list[str], list[str]]:
    """Numbers and insertion codes."""
    parts = [match.groups() if (match := _NUMBER.fullmatch(text)) else (text, "") for text in numbers]
    return [number for number, _ in parts], [code or "?" for _, code in parts]
