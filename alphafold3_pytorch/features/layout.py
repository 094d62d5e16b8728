"""Where atoms are: their slots within tokens, and the atoms that stand for a token."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from alphafold3_pytorch.chem.residues import PROTEIN
from alphafold3_pytorch.features.options import PAPER, FeatureOptions
from alphafold3_pytorch.features.tokens import KINDS, Tokens

SLOTS = 24  # atoms of a token
PURINES = {"A", "G", "DA", "DG"}


@dataclass(frozen=True, eq=False)
class Layout:
    """Indices are places in the list of atoms."""

    slot: Int[np.ndarray, "m"]  # of an atom within its token
    centre: Int[np.ndarray, "n"]
    distogram: Int[np.ndarray, "n"]


def lay_out(tokens: Tokens, options: FeatureOptions = PAPER) -> Layout:
    slot = np.arange(len(tokens.structure)) - tokens.first_atom[tokens.atom_to_token]
    centre, distogram = tokens.first_atom.copy(), tokens.first_atom.copy()
    known: dict[tuple[str, int, tuple[str, ...]], tuple[np.ndarray, int, int]] = {}
    names, codes = tokens.structure.names.tolist(), tokens.names
    bounds = [*tokens.first_atom.tolist(), len(names)]
    for token in np.flatnonzero(~tokens.atomised).tolist():
        start, stop = bounds[token], bounds[token + 1]
        key = codes[token], int(tokens.kind[token]), tuple(names[start:stop])
        if key not in known:
            known[key] = _residue(tokens, *key, options)
        slots, middle, beta = known[key]
        slot[start:stop] = slots
        centre[token], distogram[token] = start + middle, start + beta
    return Layout(slot, centre, distogram)


def _residue(
    tokens: Tokens, code: str, kind: int, names: tuple[str, ...], options: FeatureOptions
) -> tuple[np.ndarray, int, int]:
    """Slots of the atoms of a residue, and which of them are its centre and its distogram atom."""
    component = tokens.structure.components[code]
    heavy = [name for name, keep in zip(component.names, component.heavy, strict=True) if keep]
    dense = options.slots == "dense"
    slots = np.array([heavy.index(name) for name in names]) if dense else np.arange(len(names))
    if slots.max() >= SLOTS:
        raise ValueError(f"residue {code} has more than {SLOTS} atoms and is not a ligand; give it as a modification")
    protein = KINDS[kind] == PROTEIN
    centre = "CA" if protein else "C1'"
    wanted = ("CB", "CA") if protein else ("C4",) if (component.parent or code) in PURINES else ("C2",)
    beta = next((names.index(name) for name in wanted if name in names), 0)
    return slots, names.index(centre) if centre in names else 0, beta
