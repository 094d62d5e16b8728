"""Atoms to tokens and back: the encoder and decoder around the diffusion transformer (AF3 Algorithms 5 and 6)."""

from typing import Any, NamedTuple

from torch import nn

from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.nn.transformer import AtomContext, AtomTransformer
from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor, gather, gather_index


class AtomEmbedding(NamedTuple):
    """Conditioning of the atoms and of the pairs within windows; independent of any noisy position."""

    atom: Float[Tensor, "b m c"]
    pair: Float[Tensor, "b w q l cp"]


class AtomPairMLP(nn.Module):
    """AF3 Algorithm 5 line 14: three layers, each behind a ReLU. Returns the update."""

    def __init__(self, dim: int):
        super().__init__()
        self.layers = nn.ModuleList(Linear(dim, dim, init="relu" if i < 2 else "zero") for i in range(3))

    def forward(self, x: Float[Tensor, "*b c"]) -> Float[Tensor, "*b c"]:
        for layer in self.layers:
            x = layer(x.relu())
        return x


class AtomEmbedder(nn.Module):
    """AF3 Algorithm 5 lines 1-14: conditioning of atoms and pairs by reference conformers, and optionally the trunk."""

    def __init__(
        self,
        dim: int,
        dim_pair: int,
        features: int,
        pair_features: int,
        dim_single: int | None = None,
        dim_token_pair: int | None = None,
        types: int | None = None,
        pair_types: int | None = None,
    ):
        super().__init__()
        self.atom, self.pair = Linear(features, dim), Linear(pair_features, dim_pair)
        self.types = nn.Embedding(types, dim) if types else None
        self.pair_types = nn.Embedding(pair_types, dim_pair) if pair_types else None
        if dim_single and dim_token_pair:
            self.norm_single, self.single = LayerNorm(dim_single, offset=False), Linear(dim_single, dim)
            self.norm_token_pair = LayerNorm(dim_token_pair, offset=False)
            self.token_pair = Linear(dim_token_pair, dim_pair)
        self.query, self.key = Linear(dim, dim_pair, init="relu"), Linear(dim, dim_pair, init="relu")
        self.mlp = AtomPairMLP(dim_pair)

    def forward(
        self,
        atom_features: Float[Tensor, "b m f"],
        pair_features: Float[Tensor, "b w q l e"],
        atom_to_token: Int[Tensor, "b m"],
        key_index: Int[Tensor, "b w l"],
        trunk: tuple[Float[Tensor, "b n cs"], Float[Tensor, "b n n cz"]] | None = None,
        types: tuple[Int[Tensor, "b m"] | None, Int[Tensor, "b w q l"] | None] = (None, None),
    ) -> AtomEmbedding:
        """`trunk` is the trunk's single representation and the (conditioned) pair."""
        atom, pair = self.atom(atom_features), self.pair(pair_features)
        if self.types is not None and types[0] is not None:
            atom = atom + self.types(types[0])
        if self.pair_types is not None and types[1] is not None:
            pair = pair + self.pair_types(types[1])
        windows = key_index.shape[1]
        if trunk is not None:
            single, token_pair = trunk
            atom = atom + gather(self.single(self.norm_single(single)), atom_to_token)
            rows = atom_to_token.unflatten(1, (windows, -1))[..., None]
            columns = gather_index(atom_to_token, key_index)[:, :, None]
            index = (rows * token_pair.shape[1] + columns).masked_fill((rows < 0) | (columns < 0), -1)
            pair = pair + gather(self.token_pair(self.norm_token_pair(token_pair)).flatten(1, 2), index)
        active = atom.relu()
        pair = pair + self.query(active).unflatten(1, (windows, -1))[:, :, :, None]
        pair = pair + gather(self.key(active), key_index)[:, :, None]
        return AtomEmbedding(atom, pair + self.mlp(pair))


class AtomEncoder(nn.Module):
    """AF3 Algorithm 5 lines 15-17: attention among atoms, then the mean of each token's atoms."""

    def __init__(self, dim: int, dim_pair: int, dim_token: int, with_positions: bool = False, **transformer: Any):
        super().__init__()
        self.positions = Linear(3, dim) if with_positions else None
        self.transformer = AtomTransformer(dim, dim_pair, **transformer)
        self.token = Linear(dim, dim_token, init="relu")

    def forward(
        self,
        atom: Float[Tensor, "b m c"],
        context: AtomContext,
        atom_to_token: Int[Tensor, "b m"],
        atom_mask: Bool[Tensor, "b m"],
        tokens: int,
        positions: Float[Tensor, "b k m 3"] | None = None,
    ) -> tuple[Float[Tensor, "b k n ct"], Float[Tensor, "b k m c"]]:
        """Token activations and the atoms' activations, for the decoder; `positions` are scaled to unit variance."""
        x = atom[:, None]
        if self.positions is not None and positions is not None:
            x = x + self.positions(positions) * atom_mask[:, None, :, None]
        x = self.transformer(x, context)
        return token_mean(self.token(x).relu(), atom_to_token, atom_mask, tokens), x


class AtomDecoder(nn.Module):
    """AF3 Algorithm 6: token activations are handed to the atoms, which attend and yield a position update."""

    def __init__(self, dim: int, dim_pair: int, dim_token: int, **transformer: Any):
        super().__init__()
        self.token = Linear(dim_token, dim)
        self.transformer = AtomTransformer(dim, dim_pair, **transformer)
        self.norm, self.out = LayerNorm(dim, offset=False), Linear(dim, 3, init="zero")

    def forward(
        self,
        token: Float[Tensor, "b k n ct"],
        skip: Float[Tensor, "b k m c"],
        context: AtomContext,
        atom_to_token: Int[Tensor, "b m"],
    ) -> Float[Tensor, "b k m 3"]:
        x = skip + token_to_atom(self.token(token), atom_to_token)
        return self.out(self.norm(self.transformer(x, context)))


def token_to_atom(x: Float[Tensor, "b k n c"], atom_to_token: Int[Tensor, "b m"]) -> Float[Tensor, "b k m c"]:
    """Every atom takes the value of its token."""
    index = atom_to_token.clamp(min=0)[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3])
    return x.gather(2, index).masked_fill((atom_to_token < 0)[:, None, :, None], 0)


def token_mean(
    x: Float[Tensor, "b k m c"], atom_to_token: Int[Tensor, "b m"], atom_mask: Bool[Tensor, "b m"], tokens: int
) -> Float[Tensor, "b k n c"]:
    """The mean over the atoms of each token, 0 for a token without atoms."""
    mask = (atom_mask & (atom_to_token >= 0)).to(x.dtype)
    index = atom_to_token.clamp(min=0)
    count = mask.new_zeros(len(x), tokens).scatter_add(1, index, mask).clamp(min=1)
    sums = x.new_zeros(*x.shape[:2], tokens, x.shape[3])
    sums = sums.scatter_add(2, index[:, None, :, None].expand_as(x), x * mask[:, None, :, None])
    return sums / count[:, None, :, None]
