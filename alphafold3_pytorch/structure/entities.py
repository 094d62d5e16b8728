"""Entities: the different molecules of a structure, each with the chains that are copies of it."""

from dataclasses import dataclass

from alphafold3_pytorch.chem.residues import DNA, GAP, INDEX, PROTEIN, RESIDUES, RNA
from alphafold3_pytorch.structure.table import Chain, Structure

POLYMER_TYPES = {PROTEIN: "polypeptide(L)", RNA: "polyribonucleotide", DNA: "polydeoxyribonucleotide"}
UNKNOWN_LETTERS = {PROTEIN: "X", RNA: "N", DNA: "N"}
STANDARD = frozenset(INDEX) - {RESIDUES[GAP].name}
Link = tuple[int, str, int, str]  # residue from 0, atom name, and the same of the other end


@dataclass(frozen=True)
class Entity:
    """A molecule: `polymer`, `branched` (a ligand of several residues, such as a glycan) or `non-polymer`."""

    id: str
    kind: str
    residues: tuple[str, ...]
    links: tuple[Link, ...]  # bonds inside the chain between residues, of ligands
    chains: tuple[str, ...]

    @property
    def type(self) -> str:
        if self.kind in POLYMER_TYPES:
            return "polymer"
        return "branched" if len(self.residues) > 1 else "non-polymer"


def entities_of(structure: Structure) -> tuple[Entity, ...]:
    """Entities in the order of their first chains."""
    links = links_of(structure)
    found: dict[tuple[str, tuple[str, ...], tuple[Link, ...]], list[str]] = {}
    for number, chain in enumerate(structure.chains):
        key = (chain.kind, chain.residues, tuple(links.get(number, ())))
        found.setdefault(key, []).append(chain.id)
    return tuple(Entity(str(place), *key, tuple(ids)) for place, (key, ids) in enumerate(found.items(), start=1))


def links_of(structure: Structure) -> dict[int, list[Link]]:
    """Declared bonds between residues of one ligand chain, by the place of the chain."""
    links: dict[int, list[Link]] = {}
    for first, second in structure.bonds.tolist():
        chain = int(structure.chain[first])
        if chain == structure.chain[second] and not structure.chains[chain].is_polymer:
            ends = [(int(structure.residue[atom]), str(structure.names[atom])) for atom in (first, second)]
            links.setdefault(chain, []).append((*ends[0], *ends[1]))
    return links


def is_standard(code: str, chain: Chain) -> bool:
    """Whether a residue of a polymer is one of the vocabulary; the others are hetero groups."""
    return chain.is_polymer and code in STANDARD


def one_letter_codes(entity: Entity, structure: Structure) -> tuple[str, str]:
    """The sequence with other codes in brackets, `MV(MSE)`, and with the letters of their parents, `MVM`."""
    exact, canonical = [], []
    for code in entity.residues:
        letter = RESIDUES[INDEX[code]].letter if code in STANDARD else structure.components[code].letter
        canonical.append(letter if len(letter) == 1 else UNKNOWN_LETTERS[entity.kind])
        plain = code in STANDARD and entity.kind != DNA and code != "UNK"
        exact.append(letter if plain else f"({code})")
    return "".join(exact), "".join(canonical)
