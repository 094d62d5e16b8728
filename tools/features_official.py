"""Our features of a job in the terms of official AlphaFold 3: the dictionary that its pipeline makes.

Whatever the FeatureBatch holds is taken from there; only what it does not need (names, the gathers between padded
layouts) is made here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from alphafold3_pytorch.chem.elements import symbol
from alphafold3_pytorch.chem.residues import CLASSES, RESIDUES
from alphafold3_pytorch.features.featurize import Complex, assemble
from alphafold3_pytorch.features.options import bucket_size
from alphafold3_pytorch.features.templates import PLACE
from alphafold3_pytorch.features.tokens import KINDS

SLOTS, QUERIES, KEYS, ROWS = 24, 32, 128, 16384
CLASS = np.array([*range(21), 22, 23, 24, 25, 30, 26, 27, 28, 29, 30, 21])  # of our classes in theirs
CHAIN_TYPES = {"protein": "polypeptide(L)", "rna": "polyribonucleotide", "dna": "polydeoxyribonucleotide"}
EMPTY = ("", 0, "")
Address = tuple[str, int, str]  # chain, residue number, atom


class Official:
    """The dictionary of one job."""

    def __init__(self, known: Complex):
        self.known, self.tokens = known, known.tokens
        self.batch = assemble(known)
        self.count = len(self.tokens)
        self.padded = bucket_size(self.count, known.options.buckets)
        self.windows = -(-self.padded * SLOTS // QUERIES)
        structure = self.tokens.structure
        chains = [structure.chains[number] for number in structure.chain.tolist()]
        self.ids = [chain.id for chain in chains]
        self.types = [chain_type(chain) for chain in chains]
        self.codes = [chain.residues[place] for chain, place in zip(chains, structure.residue.tolist(), strict=True)]
        self.atoms: list[Address] = list(
            zip(self.ids, (structure.residue + 1).tolist(), structure.names.tolist(), strict=True)
        )
        self.atom_to_token, self.slot = self.tokens.atom_to_token, known.layout.slot

    def features(self) -> dict[str, np.ndarray]:
        parts = (self.token_features, self.chain_kinds, self.msa, self.templates, self.reference, self.structure)
        parts = (*parts, self.windows_of_atoms, self.bonds, self.names)
        return {name: value for part in parts for name, value in part().items()}

    # tokens

    def per_token(self, values: Any, dtype: Any) -> np.ndarray:
        result = np.zeros((self.padded, *np.shape(values)[1:]), dtype)
        result[: self.count] = values
        return result

    def token_features(self) -> dict[str, np.ndarray]:
        numbers = ("residue_index", "token_index", "asym_id", "entity_id", "sym_id")
        restype = self.batch.restype[0].numpy()
        profile = np.zeros((self.count, 31), np.float32)
        np.add.at(profile.T, CLASS, self.batch.token_features[0, :, :CLASSES].numpy().T)
        return {name: self.per_token(getattr(self.batch, name)[0], np.int32) for name in numbers} | {
            "aatype": self.per_token(CLASS[restype], np.int32),
            "seq_mask": self.per_token(self.batch.token_mask[0], bool),
            "seq_length": np.array(self.count, np.int32),
            "profile": self.per_token(profile, np.float32),
            "deletion_mean": self.per_token(self.known.msa.deletion_mean, np.float64),
        }

    def chain_kinds(self) -> dict[str, np.ndarray]:
        types = self.batch.molecule_type[0].numpy()
        names = ("is_protein", "is_rna", "is_dna", "is_ligand")
        columns = [types[:, KINDS.index(kind)] for kind in ("protein", "rna", "dna")]
        columns.append(types[:, KINDS.index("ligand")] | types[:, KINDS.index("ion")])
        kinds = {name: self.per_token(column, bool) for name, column in zip(names, columns, strict=True)}
        return kinds | {name: np.zeros(self.padded, bool) for name in ("is_nonstandard_polymer_chain", "is_water")}

    def msa(self) -> dict[str, np.ndarray]:
        assert self.batch.msa is not None
        rows = self.batch.msa.rows[0].numpy()
        result = {name: np.zeros((ROWS, self.padded), np.int8) for name in ("msa", "deletion_matrix")}
        mask = np.zeros((ROWS, self.padded), bool)
        here = slice(len(rows)), slice(self.count)
        result["msa"][here], mask[here] = CLASS[rows], self.batch.msa.mask[0].numpy()
        result["deletion_matrix"][here] = self.known.msa.deletions.clip(-128, 127)
        return result | {"msa_mask": mask, "num_alignments": np.array(len(rows), np.int32)}

    def templates(self) -> dict[str, np.ndarray]:
        """Dense atoms are gathered from a table that repeats N where a residue has no more."""
        templates = self.known.templates
        table = np.zeros((CLASSES, SLOTS), int)
        for index, residue in enumerate(RESIDUES):
            if residue.kind == "protein":
                table[index, : len(residue.atoms)] = [PLACE[name] for name in residue.atoms]
        places = table[templates.restype]
        shape = len(templates.restype), self.padded
        types, mask = np.zeros(shape, np.int32), np.zeros((*shape, SLOTS), bool)
        positions = np.zeros((*shape, SLOTS, 3), np.float32)
        types[:, : self.count] = CLASS[templates.restype]
        positions[:, : self.count] = np.take_along_axis(templates.positions, places[..., None], axis=2)
        mask[:, : self.count] = np.take_along_axis(templates.mask, places, axis=2)
        return {"template_aatype": types, "template_atom_positions": positions, "template_atom_mask": mask}

    # atoms in the slots of tokens

    def in_slots(self, values: Any, dtype: Any) -> np.ndarray:
        values = np.asarray(values)
        result = np.zeros((self.padded, SLOTS, *values.shape[1:]), dtype)
        result[self.atom_to_token, self.slot] = values
        return result

    def reference(self) -> dict[str, np.ndarray]:
        features = self.batch.atom_features[0, : len(self.atoms)].numpy()
        letters = features[:, 133:].reshape(-1, 4, 64)
        space = np.repeat(self.per_token(self.tokens.space, np.int32)[:, None], SLOTS, axis=1)
        return {
            "ref_pos": self.in_slots(features[:, :3], np.float32),
            "ref_mask": self.in_slots(features[:, 3], bool),
            "ref_element": self.in_slots(features[:, 4:132].argmax(axis=1), np.int32),
            "ref_charge": self.in_slots(np.rint(np.sinh(features[:, 132])), np.float32),
            "ref_atom_name_chars": self.in_slots(letters.argmax(axis=2), np.int32),
            "ref_space_uid": space,
        }

    def structure(self) -> dict[str, np.ndarray]:
        centre = self.slot[self.batch.centre_atom[0].numpy()]
        return {
            "pred_dense_atom_mask": self.in_slots(np.ones(len(self.atoms)), bool),
            "residue_center_index": self.per_token(centre, np.int32),
            "frames_mask": self.per_token((self.batch.frame_atoms[0] >= 0).all(dim=-1).numpy(), bool),
        }

    # gathers between layouts

    def token_addresses(self, padded: bool) -> list[Address]:
        """Of all slots, in rows of tokens."""
        rows = self.padded if padded else self.count
        addresses = [[EMPTY] * SLOTS for _ in range(rows)]
        for token, first in enumerate(self.tokens.first_atom.tolist()):
            chain, residue, _ = self.atoms[first]
            addresses[token] = [(chain, residue, "")] * SLOTS
        for atom, (token, slot) in enumerate(zip(self.atom_to_token.tolist(), self.slot.tolist(), strict=True)):
            addresses[token][slot] = self.atoms[atom]
        return [address for row in addresses for address in row]

    def windows_of_atoms(self) -> dict[str, np.ndarray]:
        slots = self.token_addresses(padded=True)
        size = self.windows * QUERIES
        queries = [*self.atoms, *[EMPTY] * (size - len(self.atoms))]
        index = self.batch.key_index[0].numpy()
        rest = np.repeat(index[-1:], self.windows - len(index), axis=0)
        places = np.concatenate([index, rest])
        keys = [queries[place] if place < len(self.atoms) else EMPTY for place in places.ravel().tolist()]
        here, atoms_here = (self.padded, SLOTS), (self.windows, QUERIES)
        to_queries = gather(slots, queries, here, (self.windows, QUERIES))
        to_keys = gather(slots, keys, here, (self.windows, KEYS))
        pieces = {
            "token_atoms_to_queries": to_queries,
            "queries_to_keys": gather(queries, keys, atoms_here, (self.windows, KEYS)),
            "queries_to_token_atoms": gather(queries, slots, atoms_here, here),
            "tokens_to_queries": self.of_tokens(to_queries),
            "tokens_to_keys": self.of_tokens(to_keys),
            "token_atoms_to_pseudo_beta": self.pseudo_beta(),
        }
        return joined(pieces)

    def of_tokens(self, parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The token of each gathered slot, and whether the slot has an atom."""
        index, mask, _ = parts
        there = self.in_slots(np.ones(len(self.atoms)), bool).ravel()
        return np.where(mask, index // SLOTS, 0), mask & there[index], np.array([self.padded])

    def pseudo_beta(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        wanted = [self.atoms[atom] for atom in self.batch.distogram_atom[0].tolist()]
        wanted += [EMPTY] * (self.padded - self.count)
        return gather(self.token_addresses(padded=False), wanted, (self.count, SLOTS), (self.padded,))

    def bonds(self) -> dict[str, np.ndarray]:
        bonds, tokens = self.known.bonds, [self.atoms[atom] for atom in self.known.layout.centre.tolist()]
        polymer = [[self.atoms[atom] for atom in pair] for pair in bonds.polymer_ligand.tolist()]
        centred = [[self.centre(address) for address in pair] for pair in polymer]
        there = set(tokens)
        centred = [pair for pair in centred if set(pair) <= there]
        ligand = [[self.atoms[atom] for atom in pair] for pair in bonds.ligand_ligand.tolist()]
        atoms = self.token_addresses(padded=False) if polymer else []
        shape = (self.count, SLOTS) if polymer else (self.padded, SLOTS)
        pieces = {
            "tokens_to_polymer_ligand_bonds": pairs_gather(tokens, centred, (self.count,), self.padded),
            "token_atoms_to_polymer_ligand_bonds": pairs_gather(atoms, polymer, shape, self.padded),
            "tokens_to_ligand_ligand_bonds": pairs_gather(tokens, ligand, (self.count,), 10 * self.padded),
        }
        return joined(pieces)

    def centre(self, address: Address) -> Address:
        """CA or C1' in the place of any atom of a polymer."""
        kinds = {chain.id: chain.kind for chain in self.tokens.structure.chains}
        names = {"protein": "CA", "rna": "C1'", "dna": "C1'"}
        return address[0], address[1], names.get(kinds[address[0]], address[2])

    # names, for information

    def names(self) -> dict[str, np.ndarray]:
        structure = self.tokens.structure
        elements = [
            element(structure, code, number) for code, number in zip(self.codes, structure.elements, strict=True)
        ]
        flat = {
            "atom_name": structure.names,
            "atom_element": np.array(elements),
            "chain_id": np.array(self.ids),
            "chain_type": np.array(self.types),
            "res_id": structure.residue + 1,
            "res_name": np.array(self.codes),
        }
        slots = {f"layout/{name}": self.name_slots(name, values) for name, values in flat.items()}
        return {f"flat_layout/{name}": values for name, values in flat.items()} | slots

    def name_slots(self, name: str, values: np.ndarray) -> np.ndarray:
        if name.startswith("atom_"):
            return self.in_slots(values, values.dtype)
        rows = self.per_token(values[self.tokens.first_atom], values.dtype)
        return np.repeat(rows[:, None], SLOTS, axis=1)


def chain_type(chain: Any) -> str:
    return CHAIN_TYPES.get(chain.kind) or ("branched" if len(chain.residues) > 1 else "non-polymer")


def element(structure: Any, code: str, number: int) -> str:
    """Symbols of the dictionary are in upper case, those of RDKit are not."""
    written = symbol(int(number))
    return written if structure.components[code].mol is not None else written.upper()


def gather(
    source: Sequence[Address], target: Iterable[Address], source_shape: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each target is in the source, the last of equals; place 0 and False where it is not."""
    place = {address: number for number, address in enumerate(source)}
    found = [place.get(address, -1) for address in target]
    index = np.array(found, np.int64).reshape(shape)
    return np.where(index < 0, 0, index), index >= 0, np.array(source_shape)


def pairs_gather(source: Sequence[Address], pairs: Sequence, source_shape: tuple[int, ...], rows: int) -> Any:
    flat = [address for pair in pairs for address in pair]
    return gather(source, [*flat, *[EMPTY] * (2 * (rows - len(pairs)))], source_shape, (rows, 2))


def joined(pieces: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    parts = ("gather_idxs", "gather_mask", "input_shape")
    return {
        f"{name}:{part}": value for name, values in pieces.items() for part, value in zip(parts, values, strict=True)
    }
