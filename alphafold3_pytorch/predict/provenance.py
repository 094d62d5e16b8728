"""Provenance: what a prediction was made with. Every file of it says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata

SOFTWARE = "alphafold3-pytorch"

TERMS = {
    "alphafold3": """\
# Terms of use

The structures in this folder were predicted with the model parameters of AlphaFold 3, which belong to Google DeepMind.
Its terms bind whoever uses or receives these files. Among other things they forbid commercial use and the training of
similar models on these structures, and ask you to pass the terms on with the files. Only the terms themselves count:

- files: https://github.com/google-deepmind/alphafold3/blob/main/OUTPUT_TERMS_OF_USE.md
- parameters: https://github.com/google-deepmind/alphafold3/blob/main/WEIGHTS_TERMS_OF_USE.md

The structures are predictions, without warranty, and not meant for clinical use.
"""
}


@dataclass(frozen=True)
class Provenance:
    """The software, the weights with their licence, and the settings. Seed and sample are in `Sample`."""

    weights: str  # the name of the published model, or a file
    family: str  # whose weights they are; "random" where nobody has trained them
    licence: str
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    warning: str = ""  # what a reader of any file must know: that the weights are random, say
    version: str = field(default_factory=lambda: metadata.version(SOFTWARE))

    @property
    def terms(self) -> str:
        """Text of TERMS_OF_USE.md; empty where the owner of the weights demands none."""
        return TERMS.get(self.family, "")
