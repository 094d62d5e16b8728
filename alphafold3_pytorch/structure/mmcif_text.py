"""Structure to mmCIF: the PDBx/mmCIF tables of a model, in the names and order in which AlphaFold 3 writes them.

Chains and residues keep their ids and numbers in both the `label` and the `auth` columns. Atoms without a position are
left out. Everything here is of the structure; what a prediction adds is in `predict.writer.modelcif`.
"""

import numpy as np
from jaxtyping import Bool, Float

from alphafold3_pytorch.chem import elements
from alphafold3_pytorch.structure import cif_text
from alphafold3_pytorch.structure.cif_text import Table
from alphafold3_pytorch.structure.entities import (
    POLYMER_TYPES,
    STANDARD,
    Entity,
    entities_of,
    is_standard,
    one_letter_codes,
)
from alphafold3_pytorch.structure.mmcif_chemistry import branch_links, component_tables, connections
from alphafold3_pytorch.structure.table import Structure

LINE = 80  # letters of a sequence on a line


def mmcif_text(structure: Structure, name: str, b_factors: Float[np.ndarray, "m"] | None = None) -> str:
    """The mmCIF text of a structure."""
    return cif_text.write(name, tables(structure, name, b_factors))


def tables(structure: Structure, name: str, b_factors: Float[np.ndarray, "m"] | None = None) -> dict[str, Table]:
    """All tables by category, those of atoms last."""
    entities = entities_of(structure)
    known = ~np.isnan(structure.positions.sum(axis=1))
    return {
        "entry": {"id": [name]},
        **component_tables(structure),
        **entity_tables(entities, structure),
        **scheme_tables(entities),
        **connections(structure, known),
        "atom_type": {"symbol": sorted({_symbol(number) for number in structure.elements[known].tolist()})},
        "atom_site": atom_site(structure, entities, known, b_factors),
    }


def entity_tables(entities: tuple[Entity, ...], structure: Structure) -> dict[str, Table]:
    """What the entities are, and which chains are copies of which."""
    polymers = [entity for entity in entities if entity.type == "polymer"]
    branched = [entity for entity in entities if entity.type == "branched"]
    glycans = [entity for entity in branched if all(structure.components[c].is_saccharide for c in entity.residues)]
    sugars = [(entity.id, code, str(n)) for entity in branched for n, code in enumerate(entity.residues, start=1)]
    owners = {chain: entity.id for entity in entities for chain in entity.chains}
    return {
        "entity": {
            "id": [entity.id for entity in entities],
            "pdbx_description": [_description(entity, structure) for entity in entities],
            "type": [entity.type for entity in entities],
            "pdbx_number_of_molecules": [str(len(entity.chains)) for entity in entities],
        },
        "entity_poly": _entity_poly(polymers, structure),
        "entity_poly_seq": _entity_poly_seq(polymers),
        "pdbx_entity_branch": {
            "entity_id": [entity.id for entity in glycans],
            "type": ["oligosaccharide"] * len(glycans),
        },
        "pdbx_entity_branch_list": {
            "entity_id": [entity for entity, _, _ in sugars],
            "comp_id": [code for _, code, _ in sugars],
            "num": [number for _, _, number in sugars],
            "hetero": ["n"] * len(sugars),
        },
        "pdbx_entity_branch_link": branch_links(branched, structure),
        "struct_asym": {
            "entity_id": [owners[chain.id] for chain in structure.chains],
            "id": [chain.id for chain in structure.chains],
        },
    }


def _description(entity: Entity, structure: Structure) -> str:
    if entity.type == "non-polymer":
        return structure.components[entity.residues[0]].name or "."
    return "."


def _entity_poly(polymers: list[Entity], structure: Structure) -> Table:
    sequences = [one_letter_codes(entity, structure) for entity in polymers]
    return {
        "entity_id": [entity.id for entity in polymers],
        "nstd_linkage": ["no"] * len(polymers),
        "nstd_monomer": ["yes" if not STANDARD.issuperset(entity.residues) else "no" for entity in polymers],
        "pdbx_seq_one_letter_code": [_wrapped(exact) for exact, _ in sequences],
        "pdbx_seq_one_letter_code_can": [_wrapped(canonical) for _, canonical in sequences],
        "pdbx_strand_id": [",".join(entity.chains) for entity in polymers],
        "type": [POLYMER_TYPES[entity.kind] for entity in polymers],
    }


def _entity_poly_seq(polymers: list[Entity]) -> Table:
    rows = [(entity.id, code, str(n)) for entity in polymers for n, code in enumerate(entity.residues, start=1)]
    return {
        "entity_id": [entity for entity, _, _ in rows],
        "hetero": ["n"] * len(rows),
        "mon_id": [code for _, code, _ in rows],
        "num": [number for _, _, number in rows],
    }


def scheme_tables(entities: tuple[Entity, ...]) -> dict[str, Table]:
    """Which residue is which in the numbering of authors: the same one."""
    rows = {"polymer": [], "branched": [], "non-polymer": []}
    for entity in entities:
        for chain in entity.chains:
            for number, code in enumerate(entity.residues, start=1):
                rows[entity.type].append((chain, entity.id, code, str(number)))
    tables = {}
    for kind, found in rows.items():
        chains, owners, codes, numbers = ([row[place] for row in found] for place in range(4))
        count = len(found)
        common = {
            "asym_id": chains,
            "auth_seq_num": numbers,
            "entity_id": owners,
            "mon_id": codes,
            "pdb_ins_code": ["."] * count,
            "pdb_seq_num": numbers,
            "auth_mon_id": codes,
            "pdb_mon_id": codes,
        }
        if kind == "branched":
            own = {"num": numbers, "pdb_asym_id": chains, "auth_asym_id": chains, "hetero": ["n"] * count}
            tables["pdbx_branch_scheme"] = common | own
        elif kind == "polymer":
            own = {"pdb_strand_id": chains, "seq_id": numbers, "ndb_seq_num": numbers, "hetero": ["n"] * count}
            tables["pdbx_poly_seq_scheme"] = common | own
        else:
            tables["pdbx_nonpoly_scheme"] = common | {"pdb_strand_id": chains, "ndb_seq_num": numbers}
    return tables


def atom_site(
    structure: Structure,
    entities: tuple[Entity, ...],
    known: Bool[np.ndarray, "m"],
    b_factors: Float[np.ndarray, "m"] | None,
) -> Table:
    """The atoms with positions. The columns of AlphaFold 3 come first, ours behind them."""
    owners = {chain: entity.id for entity in entities for chain in entity.chains}
    residues = [(chain, code) for chain in structure.chains for code in chain.residues]
    groups = np.array(["ATOM" if is_standard(code, chain) else "HETATM" for chain, code in residues])
    places, chains = structure.residue_keys[known], structure.chain[known]
    ids = np.array([chain.id for chain in structure.chains])[chains].tolist()
    codes = np.array([code for _, code in residues])[places].tolist()
    numbers = (structure.residue[known] + 1).astype(str)
    polymer = np.array([chain.is_polymer for chain in structure.chains])[chains]
    names = structure.names[known].tolist()
    x, y, z = ([f"{value:.3f}" for value in column] for column in structure.positions[known].T.tolist())
    count = len(names)
    return {
        "group_PDB": groups[places].tolist(),
        "id": list(map(str, range(1, count + 1))),
        "type_symbol": [_symbol(number) for number in structure.elements[known].tolist()],
        "label_atom_id": names,
        "label_alt_id": ["."] * count,
        "label_comp_id": codes,
        "label_asym_id": ids,
        "label_entity_id": [owners[chain] for chain in ids],
        "label_seq_id": np.where(polymer, numbers, ".").tolist(),
        "pdbx_PDB_ins_code": ["?"] * count,
        "Cartn_x": x,
        "Cartn_y": y,
        "Cartn_z": z,
        "occupancy": ["1.00"] * count,
        "B_iso_or_equiv": ["?"] * count if b_factors is None else [f"{b:.2f}" for b in b_factors[known].tolist()],
        "auth_seq_id": numbers.tolist(),
        "auth_asym_id": ids,
        "pdbx_PDB_model_num": ["1"] * count,
        "auth_comp_id": codes,
        "auth_atom_id": names,
        "pdbx_formal_charge": structure.charges[known].astype(str).tolist(),
    }


def _symbol(number: int) -> str:
    return elements.symbol(number).upper()


def _wrapped(sequence: str) -> str:
    """A long sequence in lines."""
    return "\n".join(sequence[start : start + LINE] for start in range(0, len(sequence), LINE))
