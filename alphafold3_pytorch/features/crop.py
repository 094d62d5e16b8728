"""Crops: a choice of tokens to train on (SI 2.7; AlphaFold-Multimer, algorithms 1 and 2), and a complex cut down to it.

A residue that is not standard and a residue of a ligand have a token for every atom. A crop has all of them or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.features.bonds import Bonds
from alphafold3_pytorch.features.featurize import Complex
from alphafold3_pytorch.features.layout import Layout
from alphafold3_pytorch.features.msa import ComplexMsa
from alphafold3_pytorch.features.templates import TemplateAtoms
from alphafold3_pytorch.features.tokens import Tokens
from alphafold3_pytorch.structure.table import Structure

METHODS = ("contiguous", "spatial", "spatial_interface")


@dataclass(frozen=True)
class CropConfig:
    """How much a crop may hold, and how often each method is used, in parts of their sum."""

    tokens: int = 384
    atoms: int | None = None  # None: no limit
    contiguous: float = 0.2
    spatial: float = 0.4
    spatial_interface: float = 0.4
    interface: float = 15.0  # Å between the centres of tokens of two chains

    def __post_init__(self) -> None:
        for name, size in (("tokens", self.tokens), ("atoms", self.atoms)):
            if size is not None and size < 1:
                raise ValueError(f"a crop of {size} {name} is empty; give 1 or more")
        if min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError(f"the weights of {', '.join(METHODS)} are {self.weights}; give positive ones, or some 0")

    @property
    def weights(self) -> tuple[float, ...]:
        return tuple(getattr(self, method) for method in METHODS)


NAMES = {"n_res": "tokens", "n_atoms": "atoms"} | {f"{method}_weight": method for method in METHODS}


def crop_config(given: Mapping[str, float | int]) -> CropConfig:
    """From the names that `PDBInput` has for them."""
    unknown = next((name for name in given if name not in NAMES), None)
    if unknown is not None:
        raise ValueError(f"cropping_config has {unknown!r}; known are {', '.join(NAMES)}")
    kind = lambda name: float if name.endswith("weight") else int  # noqa: E731
    return CropConfig(**{NAMES[name]: kind(name)(value) for name, value in given.items()})  # type: ignore[arg-type]


# Choosing


@dataclass(frozen=True, eq=False)
class Residues:
    """What is taken whole, in the order of the tokens."""

    chain: Int[np.ndarray, "r"]
    tokens: Int[np.ndarray, "r"]  # how many
    atoms: Int[np.ndarray, "r"]

    @classmethod
    def of(cls, tokens: Tokens) -> "Residues":
        _, first, counts = np.unique(tokens.space, return_index=True, return_counts=True)
        return cls(tokens.chain[first], counts, np.bincount(tokens.space[tokens.atom_to_token]))


def choose_tokens(
    tokens: Tokens,
    centres: Float[np.ndarray, "n 3"],
    chains: Sequence[str] = (),
    config: CropConfig = CropConfig(),  # noqa: B008
    seed: int | np.random.Generator = 0,
) -> Int[np.ndarray, "k"]:
    """Places of the tokens of a random crop, in order; all tokens where they fit.

    `centres` are the true positions of the tokens' centre atoms, NaN where unknown. `chains` are the ids of a chain or
    of the two of an interface; spatial crops lie around a token of theirs. With one chain there is no interface.
    """
    residues, stream = Residues.of(tokens), np.random.default_rng(seed)
    numbers = _numbers(tokens, chains)
    if len(tokens) <= config.tokens and residues.atoms.sum() <= (config.atoms or np.inf):
        return np.arange(len(tokens))
    references = possible_references(tokens, centres, numbers, config.interface)
    method = draw_method(references, config, stream)
    if method == "contiguous":
        taken = contiguous(residues, config, stream)
    else:
        taken = nearest(tokens, residues, centres, int(stream.choice(references[method])), config)
    if not taken.any():
        raise ValueError(f"no residue fits into a crop of {config.tokens} tokens; give it more")
    return np.flatnonzero(taken[tokens.space])


def _numbers(tokens: Tokens, chains: Sequence[str]) -> list[int]:
    """Places of the chains in the structure."""
    ids = [chain.id for chain in tokens.structure.chains]
    present = {ids[number] for number in np.unique(tokens.chain)}
    if len(chains) > 2:
        raise ValueError(f"a crop is around {', '.join(chains)}; give one chain, or the two of an interface")
    for chain in chains:
        if chain not in present:
            raise ValueError(f"there is no chain {chain!r} to crop around; the chains are {', '.join(sorted(present))}")
    return [ids.index(chain) for chain in dict.fromkeys(chains)]


def possible_references(
    tokens: Tokens, centres: Float[np.ndarray, "n 3"], numbers: Sequence[int], cutoff: float
) -> dict[str, Int[np.ndarray, "k"]]:
    """The tokens around which a crop may lie, for the two spatial methods."""
    known = np.isfinite(centres).all(axis=1) & (np.isin(tokens.chain, numbers) if numbers else True)
    at_interface = np.zeros(len(tokens), bool)
    if len(numbers) != 1:
        at_interface[known] = touches_other_chain(centres[known], tokens.chain[known], cutoff)
    return {"spatial": np.flatnonzero(known), "spatial_interface": np.flatnonzero(at_interface)}


def draw_method(references: Mapping[str, Int[np.ndarray, "_"]], config: CropConfig, stream: np.random.Generator) -> str:
    """One of the methods that are possible; their weights make up for those that are not."""
    weights = np.array(config.weights) * [True, *(len(references[method]) > 0 for method in METHODS[1:])]
    if not weights.any():
        raise ValueError("no token can be the middle of a spatial crop; give the contiguous method a weight")
    return METHODS[stream.choice(len(METHODS), p=weights / weights.sum())]


def touches_other_chain(
    points: Float[np.ndarray, "k 3"], chain: Int[np.ndarray, "k"], cutoff: float
) -> Bool[np.ndarray, "k"]:
    """Whether a point of another chain is nearer than the cutoff."""
    points = points - points.mean(axis=0) if len(points) else points
    squares, touching = (points**2).sum(axis=1), np.zeros(len(points), bool)
    for number in np.unique(chain):
        mine, others = chain == number, chain != number
        distances = squares[mine, None] + squares[others] - 2 * points[mine] @ points[others].T
        touching[mine] = (distances < cutoff**2).any(axis=1)
    return touching


def contiguous(residues: Residues, config: CropConfig, stream: np.random.Generator) -> Bool[np.ndarray, "r"]:
    """AlphaFold-Multimer, algorithm 1: a stretch of every chain, the chains in random order.

    Lengths and starts are drawn in tokens. The residue in which a stretch would end is taken whole or not at all, with
    the probability that its share in the stretch gives it.
    """
    taken = np.zeros(len(residues.chain), bool)
    tokens, atoms = config.tokens, config.atoms or int(residues.atoms.sum())
    able = (residues.tokens <= tokens) & (residues.atoms <= atoms)
    to_come = int(residues.tokens[able].sum())
    for number in stream.permutation(np.unique(residues.chain)):
        places = np.flatnonzero(able & (residues.chain == number))
        sizes = residues.tokens[places]
        total = int(sizes.sum())
        to_come -= total
        most = min(tokens, total)
        length = int(stream.integers(min(total, max(0, tokens - to_come)), most, endpoint=True))
        start = int(stream.integers(total - length, endpoint=True))
        first = int(np.searchsorted(np.cumsum(sizes), start, side="right"))
        count = _whole(sizes[first:], length, tokens, stream)
        fitting = int(np.searchsorted(np.cumsum(residues.atoms[places[first:]]), atoms, side="right"))
        stretch = places[first : first + min(count, fitting)]
        taken[stretch] = True
        tokens, atoms = tokens - int(residues.tokens[stretch].sum()), atoms - int(residues.atoms[stretch].sum())
    return taken


def _whole(sizes: Int[np.ndarray, "r"], length: int, limit: int, stream: np.random.Generator) -> int:
    """How many residues make a stretch of about this length, and of no more than the limit."""
    ends = np.cumsum(sizes)
    count = int(np.searchsorted(ends, length, side="right"))
    if count < len(ends) and ends[count] <= limit:
        share = 1 - (ends[count] - length) / sizes[count]
        count += int(stream.random() < share)
    return count


def nearest(
    tokens: Tokens, residues: Residues, centres: Float[np.ndarray, "n 3"], reference: int, config: CropConfig
) -> Bool[np.ndarray, "r"]:
    """AlphaFold-Multimer, algorithm 2: the residues nearest to a token, as many as fit.

    A residue is as near as its nearest token; one that does not fit is passed over. Those without a position are near
    nothing.
    """
    distance = np.linalg.norm(centres - centres[reference], axis=1)
    of_residue = np.full(len(residues.chain), np.inf)
    np.fmin.at(of_residue, tokens.space, distance)
    taken = np.zeros(len(residues.chain), bool)
    left, atoms = config.tokens, config.atoms or int(residues.atoms.sum())
    for place in np.argsort(of_residue, kind="stable")[: int(np.isfinite(of_residue).sum())].tolist():
        if residues.tokens[place] <= left and residues.atoms[place] <= atoms:
            taken[place] = True
            left, atoms = left - int(residues.tokens[place]), atoms - int(residues.atoms[place])
        if not left:
            break
    return taken


# Taking


def take(known: Complex, chosen: Int[np.ndarray, "k"]) -> Complex:
    """The complex as if it had no other tokens. Chains keep their numbers and tokens are numbered anew."""
    atoms = atoms_of(known.tokens, chosen)
    place = places_of(known.tokens, atoms)
    frames = place[known.frames[chosen]]
    return replace(
        known,
        tokens=take_tokens(known.tokens, chosen),
        layout=Layout(
            slot=known.layout.slot[atoms],
            centre=place[known.layout.centre[chosen]],
            distogram=place[known.layout.distogram[chosen]],
        ),
        positions=known.positions[atoms],
        frames=np.where((frames < 0).any(axis=1, keepdims=True), -1, frames),
        bonds=Bonds(*(_inside(place[pairs]) for pairs in (known.bonds.polymer_ligand, known.bonds.ligand_ligand))),
        msa=take_msa(known.msa, chosen),
        templates=take_templates(known.templates, chosen),
    )


def atoms_of(tokens: Tokens, chosen: Int[np.ndarray, "k"]) -> Int[np.ndarray, "m"]:
    """Places of the atoms of some tokens."""
    return np.flatnonzero(np.isin(tokens.atom_to_token, chosen))


def places_of(tokens: Tokens, atoms: Int[np.ndarray, "m"]) -> Int[np.ndarray, "a"]:
    """Where each atom is among some of them, -1 for the others; the last entry stands for the atom -1."""
    place = np.full(len(tokens.structure) + 1, -1)
    place[atoms] = np.arange(len(atoms))
    return place


def _inside(pairs: Int[np.ndarray, "k 2"]) -> Int[np.ndarray, "e 2"]:
    return pairs[(pairs >= 0).all(axis=1)]


def take_tokens(tokens: Tokens, chosen: Int[np.ndarray, "k"]) -> Tokens:
    assert (np.diff(chosen) > 0).all(), "tokens of a crop stay in order"
    atoms = atoms_of(tokens, chosen)
    new = np.full(len(tokens), -1)
    new[chosen] = np.arange(len(chosen))
    columns = "atomised chain residue kind restype asym_id entity_id sym_id".split()
    return replace(
        tokens,
        structure=take_atoms(tokens.structure, atoms, places_of(tokens, atoms)),
        atom_to_token=new[tokens.atom_to_token[atoms]],
        first_atom=places_of(tokens, atoms)[tokens.first_atom[chosen]],
        space=np.unique(tokens.space[chosen], return_inverse=True)[1],
        **{name: getattr(tokens, name)[chosen] for name in columns},
    )


def take_atoms(structure: Structure, atoms: Int[np.ndarray, "m"], place: Int[np.ndarray, "a"]) -> Structure:
    """Chains keep all their residues."""
    columns = "chain residue names elements charges positions".split()
    return replace(
        structure,
        bonds=_inside(place[structure.bonds]),
        **{name: getattr(structure, name)[atoms] for name in columns},
    )


def take_msa(msa: ComplexMsa, chosen: Int[np.ndarray, "k"]) -> ComplexMsa:
    return ComplexMsa(
        rows=msa.rows[:, chosen],
        deletions=msa.deletions[:, chosen],
        profile=msa.profile[chosen],
        deletion_mean=msa.deletion_mean[chosen],
    )


def take_templates(templates: TemplateAtoms, chosen: Int[np.ndarray, "k"]) -> TemplateAtoms:
    return TemplateAtoms(templates.restype[:, chosen], templates.positions[:, chosen], templates.mask[:, chosen])
