"""Structure to tokens: one for each standard residue, one for each atom of everything else (SI 2.6)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from alphafold3_pytorch.chem import residues
from alphafold3_pytorch.chem.ccd import standard_component
from alphafold3_pytorch.chem.residues import DNA, INDEX, LIGAND, PROTEIN, RNA
from alphafold3_pytorch.features.options import PAPER, FeatureOptions
from alphafold3_pytorch.structure.table import Chain, Structure

KINDS = (PROTEIN, RNA, DNA, LIGAND, "ion")
SELENOMETHIONINE = "MSE"
STANDARD = {kind: {r.name for r in residues.RESIDUES if r.kind == kind} for kind in (PROTEIN, RNA, DNA)}
NUCLEIC = STANDARD[RNA] | STANDARD[DNA]  # a ribonucleotide in DNA is standard too
FALLBACK_CENTRE = {PROTEIN: "CA", RNA: "C1'", DNA: "C1'"}


@dataclass(frozen=True, eq=False)
class Tokens:
    """One row per token. Numbers that the network sees start from 1, places in arrays from 0."""

    structure: Structure
    atom_to_token: Int[np.ndarray, "m"]
    first_atom: Int[np.ndarray, "n"]
    atomised: Bool[np.ndarray, "n"]  # the token is a single atom
    chain: Int[np.ndarray, "n"]
    residue: Int[np.ndarray, "n"]  # place in the chain
    kind: Int[np.ndarray, "n"]  # KINDS
    restype: Int[np.ndarray, "n"]
    space: Int[np.ndarray, "n"]  # a number for each reference conformer, that is for each residue
    asym_id: Int[np.ndarray, "n"]
    entity_id: Int[np.ndarray, "n"]
    sym_id: Int[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.chain)

    @property
    def token_index(self) -> Int[np.ndarray, "n"]:
        return np.arange(1, len(self) + 1)

    @property
    def residue_index(self) -> Int[np.ndarray, "n"]:
        return self.residue + 1

    @cached_property
    def names(self) -> list[str]:
        """Component code of each token."""
        chains = self.structure.chains
        return [chains[c].residues[r] for c, r in zip(self.chain.tolist(), self.residue.tolist(), strict=True)]


def tokenize(structure: Structure, options: FeatureOptions = PAPER) -> Tokens:
    """Tokens in the order of the atoms."""
    if not len(structure):
        raise ValueError("there is nothing to predict: no residue of the job has atoms")
    rows: list[tuple[int, bool, int, int, int, int, int]] = []
    counts: list[int] = []
    numbers = {id(chain): number for number, chain in enumerate(structure.chains)}
    for space, (chain, place, atoms) in enumerate(structure.residues()):
        code = chain.residues[place]
        whole = is_whole(code, chain.kind, options)
        kind, restype = _kind(structure, chain, code), restype_of(structure, chain, code, options)
        size = atoms.stop - atoms.start
        for first in [atoms.start] if whole else range(atoms.start, atoms.stop):
            rows.append((first, not whole, numbers[id(chain)], place, kind, restype, space))
            counts.append(size if whole else 1)
    first, atomised, chain_of, residue, kinds, restypes, spaces = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    asym, entity, sym = _chain_ids(structure, chain_of, residue)
    return Tokens(
        structure=structure,
        atom_to_token=np.repeat(np.arange(len(rows)), counts),
        first_atom=first,
        atomised=atomised,
        chain=chain_of,
        residue=residue,
        kind=kinds,
        restype=restypes,
        space=spaces,
        asym_id=asym,
        entity_id=entity,
        sym_id=sym,
    )


def is_whole(code: str, kind: str, options: FeatureOptions) -> bool:
    """Whether a residue is one token."""
    if kind == PROTEIN:
        return code in STANDARD[PROTEIN] or (code == SELENOMETHIONINE and not options.atomise_mse)
    return kind in (RNA, DNA) and code in NUCLEIC


def _kind(structure: Structure, chain: Chain, code: str) -> int:
    ion = chain.kind == LIGAND and structure.components[code].is_ion
    return KINDS.index("ion" if ion else chain.kind)


def restype_of(structure: Structure, chain: Chain, code: str, options: FeatureOptions) -> int:
    """The class of a residue; a modified one counts as its parent or as unknown."""
    if chain.kind == LIGAND:
        return residues.UNKNOWN
    allowed = STANDARD[PROTEIN] if chain.kind == PROTEIN else NUCLEIC
    if code in allowed:
        return INDEX[code]
    if options.modified == "unknown":
        return residues.UNKNOWN_OF[chain.kind]
    return parent_of(structure, chain, code, options)


def parent_of(structure: Structure, chain: Chain, code: str, options: FeatureOptions = PAPER) -> int:
    """The class of the standard residue that a component is a modification of."""
    listed = standard_component(code)
    component = listed if options.modified == "listed parent" else structure.components[code]
    if component is None:
        return residues.UNKNOWN_OF[chain.kind]
    letter = component.letter if len(component.letter) == 1 else ""
    index = residues.BY_LETTER[chain.kind].get(letter)
    if index is None:
        index = residues.index_of(component.parent, chain.kind)
    return index


def _chain_ids(structure: Structure, chain_of: np.ndarray, residue: np.ndarray) -> tuple[np.ndarray, ...]:
    """asym, entity and sym id of every token; chains with the same tokens are copies of one entity."""
    entities: dict[tuple[str, ...], list[int]] = {}
    ids: dict[int, tuple[int, int, int]] = {}
    for asym, number in enumerate(dict.fromkeys(chain_of.tolist()), start=1):
        codes = structure.chains[number].residues
        sequence = tuple(codes[place] for place in residue[chain_of == number].tolist())
        copies = entities.setdefault(sequence, [len(entities) + 1, 0])
        copies[1] += 1
        ids[number] = asym, copies[0], copies[1]
    table = np.array([ids.get(number, (0, 0, 0)) for number in range(len(structure.chains))])
    return tuple(table[chain_of].T)
