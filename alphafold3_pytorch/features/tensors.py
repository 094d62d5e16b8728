"""The tensor arguments of `Alphafold3.forward` as a FeatureBatch, their shapes checked by name.

Values are not checked: these tensors may hold anything. What a job must satisfy is checked where jobs are read.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from alphafold3_pytorch.features.batch import DenseTemplates, FeatureBatch, Labels, Msa
from alphafold3_pytorch.features.windows import key_index
from alphafold3_pytorch.shapes import Bool, Int, Tensor

# Shapes by letter; a number or an upper-case name is fixed by the model. A second form follows a bar.
SHAPES = {
    "atom_inputs": "b m ATOM",
    "atompair_inputs": "b m m PAIR|b w q l PAIR",
    "additional_molecule_feats": "b n 5",
    "is_molecule_types": "b n 5",
    "molecule_atom_lens": "b n",
    "molecule_ids": "b n",
    "additional_token_feats": "b n TOKEN",
    "msa": "b s n MSA",
    "msa_mask": "b s",
    "additional_msa_feats": "b s n MSA_EXTRA",
    "templates": "b t n n TEMPLATE",
    "template_mask": "b t",
    "is_molecule_mod": "b n MODS",
    "atom_ids": "b m",
    "atompair_ids": "b m m|b w q l",
    "atom_parent_ids": "b m",
    "atom_mask": "b m",
    "token_bonds": "b n n",
    "token_constraints": "b n n CONSTRAINTS",
    "missing_atom_mask": "b m",
    "atom_pos": "b m 3",
    "molecule_atom_indices": "b n",
    "distogram_atom_indices": "b n",
    "atom_indices_for_frame": "b n 3",
    "valid_atom_indices_for_frame": "b n",
    "distance_labels": "b n n",
    "resolved_labels": "b m",
    "resolution": "b",
}
REQUIRED = tuple(SHAPES)[:6]
UNKNOWN = 20  # the class of an unknown amino acid, and of ligands


def check_shapes(tensors: Mapping[str, Tensor], sizes: Mapping[str, int]) -> dict[str, int]:
    """Bind the letters of all shapes; ValueError with the argument, its expected and its given shape."""
    bound = dict(sizes)
    for name, tensor in tensors.items():
        forms = SHAPES[name].split("|")
        matches = [bindings for form in forms if (bindings := _match(form.split(), tensor.shape, bound)) is not None]
        if not matches:
            expected = " or ".join(_describe(form.split(), bound) for form in forms)
            raise ValueError(f"{name}: expected shape {expected}, got {tuple(tensor.shape)}")
        bound |= matches[0]
    return bound


def _match(letters: list[str], shape: torch.Size, bound: Mapping[str, int]) -> dict[str, int] | None:
    if len(letters) != len(shape):
        return None
    found: dict[str, int] = {}
    for letter, size in zip(letters, shape, strict=True):
        wanted = int(letter) if letter.isdigit() else bound.get(letter, found.get(letter, size))
        if wanted != size:
            return None
        found[letter] = size
    return {letter: size for letter, size in found.items() if not letter.isdigit()}


def _describe(letters: list[str], bound: Mapping[str, int]) -> str:
    names = [
        letter if letter.isdigit() or letter not in bound else f"{letter.lower()}={bound[letter]}" for letter in letters
    ]
    return f"({', '.join(names)})"


def atom_layout(lengths: Int[Tensor, "b n"], atoms: int) -> tuple[Bool[Tensor, "b m"], Tensor, Tensor]:
    """Which atoms exist, the token of each (-1 for padding), and its place within the token."""
    ends = lengths.cumsum(dim=1)
    index = torch.arange(atoms, device=lengths.device).expand(len(lengths), -1).contiguous()
    token = torch.searchsorted(ends, index, right=True)
    mask = index < ends[:, -1:]
    token = token.masked_fill(~mask, -1)
    slot = index - (ends - lengths).gather(1, token.clamp(min=0))
    return mask, token, slot.masked_fill(~mask, 0)


def feature_batch(tensors: Mapping[str, Tensor], queries: int, keys: int, sizes: Mapping[str, int]) -> FeatureBatch:
    """Atoms are padded to whole windows; dense pair features are cut into windows."""
    lengths = tensors["molecule_atom_lens"].long().clamp(min=0)
    atoms, counted = tensors["atom_inputs"].shape[1], int(lengths.sum(dim=1).max())
    if counted > atoms:
        raise ValueError(f"molecule_atom_lens: {counted} atoms in a complex, but atom_inputs has {atoms}")
    pad = -atoms % queries
    atom_mask, atom_to_token, slot = atom_layout(lengths, atoms + pad)
    if "atom_mask" in tensors:
        atom_mask = atom_mask & F.pad(tensors["atom_mask"].bool(), (0, pad))
    index = key_index(atom_mask, queries, keys)
    residue, token, asym, entity, sym = tensors["additional_molecule_feats"].long().unbind(dim=-1)
    tokens = residue.shape
    floats = tensors["atom_inputs"]
    token_features = tensors.get("additional_token_feats")
    centre = within(tensors.get("molecule_atom_indices"), tokens, atoms)
    frames = within(tensors.get("atom_indices_for_frame"), (*tokens, 3), atoms)
    if "valid_atom_indices_for_frame" in tensors:
        frames = frames.masked_fill(~tensors["valid_atom_indices_for_frame"].bool()[..., None], -1)
    return FeatureBatch(
        token_mask=lengths > 0,
        restype=residue_types(tensors["molecule_ids"], sizes["TYPES"]),
        residue_index=residue,
        token_index=token,
        asym_id=asym,
        entity_id=entity,
        sym_id=sym,
        molecule_type=tensors["is_molecule_types"].bool(),
        token_features=floats.new_zeros(*tokens, sizes["TOKEN"]) if token_features is None else token_features,
        token_bonds=bonds(tensors.get("token_bonds"), tokens, floats),
        atom_mask=atom_mask,
        atom_features=F.pad(floats, (0, 0, 0, pad)),
        atom_to_token=atom_to_token,
        atom_slot=slot,
        key_index=index,
        atompair_features=windowed(tensors["atompair_inputs"], index, queries),
        centre_atom=centre,
        distogram_atom=within(
            tensors.get("distogram_atom_indices", tensors.get("molecule_atom_indices")), tokens, atoms
        ),
        frame_atoms=frames,
        msa=msa(tensors, sizes),
        templates=templates(tensors),
        extra=extra(tensors, index, queries, pad),
    )


def residue_types(ids: Int[Tensor, "b n"], classes: int) -> Int[Tensor, "b n"]:
    """Residue types; unknown where the model has no class for an id, as published models have none for ions."""
    types = ids.long().clamp(min=0)
    return torch.where(types < classes, types, min(UNKNOWN, classes - 1))


def within(index: Tensor | None, shape: tuple[int, ...], atoms: int) -> Int[Tensor, "..."]:
    """Atom indices; -1 where there are none or they point outside."""
    if index is None:
        return torch.full(shape, -1)
    return index.long().masked_fill((index < 0) | (index >= atoms), -1)


def bonds(given: Tensor | None, tokens: torch.Size, like: Tensor) -> Tensor:
    """Symmetric, without a diagonal; no bonds if none are given."""
    if given is None:
        return like.new_zeros(*tokens, tokens[1])
    symmetric = given.bool() | given.bool().transpose(1, 2)
    return (symmetric & ~torch.eye(tokens[1], dtype=torch.bool, device=given.device)).to(like.dtype)


def windowed(pairs: Tensor, index: Int[Tensor, "b w l"], queries: int) -> Tensor:
    """Pair features of windows; [b, m, m, ...] is cut, padded atoms have zeros."""
    if pairs.shape[1:4] == (index.shape[1], queries, index.shape[2]):
        return pairs
    atoms, windows = pairs.shape[1], index.shape[1]
    rows = torch.arange(windows * queries, device=index.device).view(1, windows, queries, 1)
    columns = index[:, :, None]
    there = (rows < atoms) & (columns >= 0) & (columns < atoms)
    batch = torch.arange(len(pairs), device=index.device).view(-1, 1, 1, 1)
    taken = pairs[batch, rows.clamp(max=atoms - 1), columns.clamp(0, atoms - 1)]
    return taken.masked_fill(~(there if pairs.ndim == 3 else there[..., None]), 0)


def msa(tensors: Mapping[str, Tensor], sizes: Mapping[str, int]) -> Msa | None:
    if "msa" not in tensors:
        return None
    rows = tensors["msa"]
    features = tensors.get("additional_msa_feats")
    features = rows.new_zeros(*rows.shape[:3], sizes["MSA_EXTRA"]) if features is None else features
    mask = tensors.get("msa_mask", torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)).bool()
    there = tensors["molecule_atom_lens"] > 0
    return Msa(rows, features, mask[:, :, None] & there[:, None])


def templates(tensors: Mapping[str, Tensor]) -> DenseTemplates | None:
    if "templates" not in tensors:
        return None
    features = tensors["templates"]
    mask = tensors.get("template_mask", torch.ones(features.shape[:2], dtype=torch.bool, device=features.device))
    return DenseTemplates(features, mask.bool())


def extra(tensors: Mapping[str, Tensor], index: Tensor, queries: int, pad: int) -> dict[str, Tensor]:
    result = {}
    if "is_molecule_mod" in tensors:
        result["modifications"] = tensors["is_molecule_mod"]
    if "token_constraints" in tensors:
        result["constraints"] = tensors["token_constraints"]
    if "atom_ids" in tensors:
        result["atom_types"] = F.pad(tensors["atom_ids"].long().clamp(min=0), (0, pad))
    if "atompair_ids" in tensors:
        result["atompair_types"] = windowed(tensors["atompair_ids"].long().clamp(min=0), index, queries)
    if "atom_parent_ids" in tensors:
        result["atom_parents"] = F.pad(tensors["atom_parent_ids"].long(), (0, pad), value=-1)
    return result


def labels(tensors: Mapping[str, Tensor], batch: FeatureBatch) -> Labels | None:
    """Positions and which of them are known; None without positions."""
    if "atom_pos" not in tensors:
        return None
    pad = batch.atom_mask.shape[1] - tensors["atom_pos"].shape[1]
    known = batch.atom_mask
    if "missing_atom_mask" in tensors:
        known = known & ~F.pad(tensors["missing_atom_mask"].bool(), (0, pad))
    if "resolved_labels" in tensors:
        known = known & (F.pad(tensors["resolved_labels"], (0, pad)) == 1)
    return Labels(F.pad(tensors["atom_pos"], (0, 0, 0, pad)), known, tensors.get("resolution"))


def of_atoms(values: Tensor, atom_to_token: Int[Tensor, "b m"]) -> Tensor:
    """The value of each atom's token; zero or False for padding."""
    index = atom_to_token.clamp(min=0)
    taken = values[torch.arange(len(values), device=values.device)[:, None], index]
    return taken.masked_fill((atom_to_token < 0)[..., None], 0)


def ligand_bonds(batch: FeatureBatch) -> Int[Tensor, "b e 2"]:
    """Atom pairs of the bonds of and between ligands, whose tokens are atoms; -1 where a complex has fewer."""
    tokens = batch.token_mask.shape[1]
    count = torch.zeros_like(batch.restype).scatter_add(1, batch.atom_to_token.clamp(min=0), batch.atom_mask.long())
    atom = torch.full_like(batch.restype, batch.atom_mask.shape[1])
    place = torch.arange(batch.atom_mask.shape[1], device=atom.device).expand_as(batch.atom_mask)
    atom = atom.scatter_reduce(1, batch.atom_to_token.clamp(min=0), place, "amin")
    single = (count == 1) & batch.molecule_type[..., 3:].any(dim=-1)
    pairs = (batch.token_bonds > 0) & single[:, :, None] & single[:, None]
    pairs = pairs & torch.ones(tokens, tokens, dtype=torch.bool, device=pairs.device).triu(1)
    most = max(1, int(pairs.sum(dim=(1, 2)).max()))
    bonds = atom.new_full((len(atom), most, 2), -1)
    for example, found in enumerate(pairs):
        ends = found.nonzero()
        bonds[example, : len(ends)] = atom[example][ends]
    return bonds


def full_pairwise_repr_to_windowed(pairwise_repr: Tensor, window_size: int) -> Tensor:
    """[b, m, m, ...] cut into windows [b, w, window_size, 4 window_size, ...]; keys centred, zero beyond the atoms."""
    there = torch.ones(pairwise_repr.shape[:2], dtype=torch.bool, device=pairwise_repr.device)
    return windowed(pairwise_repr, key_index(there, window_size, 4 * window_size), window_size)
