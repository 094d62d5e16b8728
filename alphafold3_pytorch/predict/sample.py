"""Sample: one predicted structure and what the network thinks of it. Scores, checks and files are all made from it."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from alphafold3_pytorch.features.tokens import Tokens
from alphafold3_pytorch.structure.table import Structure


@dataclass(frozen=True, eq=False)
class Sample:
    """Arrays of NumPy without padding; the order of tokens and atoms is that of `tokens` and `structure`.

    Everything is float32 unless said otherwise. Distances and errors are in Å.
    """

    seed: int
    number: int  # of the sample of this seed, from 0
    tokens: Tokens
    structure: Structure  # with positions
    plddt: Float[np.ndarray, "m"]  # 0 to 100
    pae: Float[np.ndarray, "n n"]  # error of token j when aligned on the frame of token i
    pde: Float[np.ndarray, "n n"]
    contacts: Float[np.ndarray, "n n"]  # probability that two tokens are within 8 Å
    tm: Float[np.ndarray, "n n"]  # expected TM-score terms, d0 from the size of the complex (SI 5.9.1)
    tm_interface: Float[np.ndarray, "n n"]  # the same, d0 from the sizes of the two chains
    framed: Bool[np.ndarray, "n"]  # the token has a frame
    pae_probabilities: Float[np.ndarray, "n n d"] | None = None  # over bins of 0.5 Å; float16
    extra: dict[str, np.ndarray] = field(default_factory=dict)  # what a user asked for: embeddings, distogram
