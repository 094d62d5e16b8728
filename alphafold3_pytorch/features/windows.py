"""Local attention windows over the flat list of atoms, and the pair features inside them (AF3 Algorithms 5 and 7)."""

import torch

from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor, gather, gather_index


def key_index(
    atom_mask: Bool[Tensor, "b m"], queries: int = 32, keys: int = 128, inside: bool = False
) -> Int[Tensor, "b w l"]:
    """Indices of the atoms that each window of `queries` atoms attends to, -1 where there is none.

    Keys are centred on the window. With `inside` they are shifted so that they stay within the complex.
    """
    count = atom_mask.sum(dim=1)[:, None, None]
    windows = -(-atom_mask.shape[1] // queries)
    start = torch.arange(windows, device=atom_mask.device)[None, :, None] * queries - (keys - queries) // 2
    if inside:
        start = torch.minimum(start, count - keys).clamp(min=0)
    index = start + torch.arange(keys, device=atom_mask.device)
    return index.masked_fill((index < 0) | (index >= count), -1)


def atompair_features(
    positions: Float[Tensor, "b m 3"],
    space: Int[Tensor, "b m"],
    index: Int[Tensor, "b w l"],
    key_space: Int[Tensor, "b m"] | None = None,
) -> Float[Tensor, "b w q l 5"]:
    """Offset query - key (Å), 1 / (1 + squared distance) and 1 for pairs in the same reference conformer, else 0.

    `space` numbers the conformers. `key_space`, when given, is how the keys' conformers are numbered instead.
    """
    windows = index.shape[1]
    offset = positions.unflatten(1, (windows, -1))[:, :, :, None] - gather(positions, index)[:, :, None]
    spaces = gather_index(space if key_space is None else key_space, index)
    same = (space.unflatten(1, (windows, -1))[..., None] == spaces[:, :, None]) & (index >= 0)[:, :, None]
    closeness = 1 / (1 + offset.square().sum(dim=-1, keepdim=True))
    features = torch.cat([offset, closeness, torch.ones_like(closeness)], dim=-1)
    return features * same[..., None]


def official_key_index(atom_mask: Bool[Tensor, "b m"], queries: int = 32, keys: int = 128) -> Int[Tensor, "b w l"]:
    """The keys of official AlphaFold 3: shifted inside as long as the complex has enough atoms.

    Where it has fewer than `keys`, what is outside is a padding atom, the last one, and not masked.
    """
    count = atom_mask.sum(dim=1)[:, None, None]
    last = atom_mask.shape[1] - 1
    start = torch.arange(-(-atom_mask.shape[1] // queries), device=atom_mask.device)[None, :, None] * queries
    start = start - (keys - queries) // 2
    start = torch.where(start < 0, 0, torch.minimum(start, count - keys))
    index = start + torch.arange(keys, device=atom_mask.device)
    return index.masked_fill((index < 0) | (index >= count), last)
