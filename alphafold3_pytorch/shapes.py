"""The letters of every shape in this package, and the types that signatures are written with.

| letter | axis |
|---|---|
| `b` | complexes in the batch |
| `k` | diffusion samples (or training copies) of one complex |
| `n` | tokens; a second token axis is written `n n` (rows attend or are updated, columns are attended to) |
| `m` | atoms |
| `s` | MSA rows |
| `t` | templates |
| `w` | windows of the local atom attention, `q` query atoms and `l` key atoms per window |
| `h` | attention heads, `d` channels per head |
| `c` | channels; `cs`, `cz`, `cm`, `ca`, `cp` single, pair, MSA, atom, atom-pair channels where several meet |
| `r` | residue classes, `f` raw input features (`ft` of tokens, `fa` of atoms, `fp` of atom pairs) |

A mask is True where something is there. An index of -1 points at nothing.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Bool", "Float", "Int", "Tensor", "gather", "gather_index"]


def gather(x: Float[Tensor, "b m c"], index: Int[Tensor, "b *i"]) -> Float[Tensor, "b *i c"]:
    """x[b, index[b]], zero where the index is -1."""
    batch = torch.arange(len(x), device=x.device).view(-1, *[1] * (index.ndim - 1))
    return x[batch, index.clamp(min=0)].masked_fill((index < 0)[..., None], 0)


def gather_index(x: Int[Tensor, "b m"], index: Int[Tensor, "b *i"]) -> Int[Tensor, "b *i"]:
    """The same for indices: -1 where the index is -1."""
    taken = x.gather(1, index.clamp(min=0).flatten(1)).view(index.shape)
    return taken.masked_fill(index < 0, -1)
