"""The public names, each imported when it is first asked for: `import alphafold3_pytorch` costs no more than this file.

The imports below are the whole list. Type checkers and editors read them as they stand; at run time `__getattr__` does.
To publish a name, add it there.
"""

import ast
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from alphafold3_pytorch.alphafold3 import Alphafold3 as Alphafold3
    from alphafold3_pytorch.alphafold3 import Alphafold3Logits as Alphafold3Logits
    from alphafold3_pytorch.alphafold3 import ConfidenceHeadLogits as ConfidenceHeadLogits
    from alphafold3_pytorch.features.atom_batch import (
        alphafold3_inputs_to_batched_atom_input as alphafold3_inputs_to_batched_atom_input,
    )
    from alphafold3_pytorch.features.atom_batch import (
        collate_inputs_to_batched_atom_input as collate_inputs_to_batched_atom_input,
    )
    from alphafold3_pytorch.features.atom_batch import maybe_transform_to_atom_input as maybe_transform_to_atom_input
    from alphafold3_pytorch.features.atom_batch import maybe_transform_to_atom_inputs as maybe_transform_to_atom_inputs
    from alphafold3_pytorch.features.atom_batch import (
        pdb_inputs_to_batched_atom_input as pdb_inputs_to_batched_atom_input,
    )
    from alphafold3_pytorch.features.atom_batch import register_input_transform as register_input_transform
    from alphafold3_pytorch.features.batch import DenseTemplates as DenseTemplates
    from alphafold3_pytorch.features.batch import FeatureBatch as FeatureBatch
    from alphafold3_pytorch.features.batch import Labels as Labels
    from alphafold3_pytorch.features.batch import Msa as Msa
    from alphafold3_pytorch.features.batch import Templates as Templates
    from alphafold3_pytorch.features.pdb_input import pdb_input_to_molecule_input as pdb_input_to_molecule_input
    from alphafold3_pytorch.features.tensors import full_pairwise_repr_to_windowed as full_pairwise_repr_to_windowed
    from alphafold3_pytorch.inputs.alphafold3_input import Alphafold3Input as Alphafold3Input
    from alphafold3_pytorch.inputs.alphafold3_input import AtomInput as AtomInput
    from alphafold3_pytorch.inputs.alphafold3_input import BatchedAtomInput as BatchedAtomInput
    from alphafold3_pytorch.inputs.alphafold3_input import MoleculeInput as MoleculeInput
    from alphafold3_pytorch.inputs.pdb_input import PDBInput as PDBInput
    from alphafold3_pytorch.models.config import NetworkConfig as NetworkConfig
    from alphafold3_pytorch.models.diffusion import DiffusionConditioning as DiffusionConditioning
    from alphafold3_pytorch.models.diffusion import DiffusionModule as DiffusionModule
    from alphafold3_pytorch.models.network import Network as Network
    from alphafold3_pytorch.models.trunk import InputFeatureEmbedder as InputFeatureEmbedder
    from alphafold3_pytorch.models.trunk import MSAModule as MSAModule
    from alphafold3_pytorch.models.trunk import PairformerStack as PairformerStack
    from alphafold3_pytorch.nn.adaptive import AdaptiveLayerNorm as AdaptiveLayerNorm
    from alphafold3_pytorch.nn.adaptive import ConditionedTransition as ConditionedTransition
    from alphafold3_pytorch.nn.attention import AttentionPairBias as AttentionPairBias
    from alphafold3_pytorch.nn.embed import FourierEmbedding as FourierEmbedding
    from alphafold3_pytorch.nn.embed import RelativePositionEncoding as RelativePositionEncoding
    from alphafold3_pytorch.nn.heads import ConfidenceHead as ConfidenceHead
    from alphafold3_pytorch.nn.heads import DistogramHead as DistogramHead
    from alphafold3_pytorch.nn.msa import MSAPairWeightedAveraging as MSAPairWeightedAveraging
    from alphafold3_pytorch.nn.msa import OuterProductMean as OuterProductMean
    from alphafold3_pytorch.nn.templates import TemplateEmbedder as TemplateEmbedder
    from alphafold3_pytorch.nn.transformer import AtomTransformer as AtomTransformer
    from alphafold3_pytorch.nn.transformer import DiffusionTransformer as DiffusionTransformer
    from alphafold3_pytorch.nn.transition import Transition as Transition
    from alphafold3_pytorch.nn.triangle import TriangleAttention as TriangleAttention
    from alphafold3_pytorch.nn.triangle import TriangleMultiplication as TriangleMultiplication
    from alphafold3_pytorch.nn.wrappers import Attend as Attend
    from alphafold3_pytorch.nn.wrappers import Attention as Attention
    from alphafold3_pytorch.nn.wrappers import ConditionWrapper as ConditionWrapper
    from alphafold3_pytorch.nn.wrappers import PreLayerNorm as PreLayerNorm
    from alphafold3_pytorch.predict.scores.selection import ComputeModelSelectionScore as ComputeModelSelectionScore
    from alphafold3_pytorch.predict.scores.selection import ScoreDetails as ScoreDetails
    from alphafold3_pytorch.predict.scores.tensor_scores import ComputeClash as ComputeClash
    from alphafold3_pytorch.predict.scores.tensor_scores import ComputeConfidenceScore as ComputeConfidenceScore
    from alphafold3_pytorch.predict.scores.tensor_scores import ComputeRankingScore as ComputeRankingScore
    from alphafold3_pytorch.predict.scores.tensor_scores import ConfidenceScore as ConfidenceScore
    from alphafold3_pytorch.predict.writer.biomolecule import Biomolecule as Biomolecule
    from alphafold3_pytorch.predict.writer.biomolecule import (
        alphafold3_input_to_biomolecule as alphafold3_input_to_biomolecule,
    )
    from alphafold3_pytorch.structure.geometry import CentreRandomAugmentation as CentreRandomAugmentation
    from alphafold3_pytorch.structure.geometry import ComputeAlignmentError as ComputeAlignmentError
    from alphafold3_pytorch.structure.geometry import ExpressCoordinatesInFrame as ExpressCoordinatesInFrame
    from alphafold3_pytorch.structure.geometry import RigidFrom3Points as RigidFrom3Points
    from alphafold3_pytorch.structure.geometry import RigidFromReference3Points as RigidFromReference3Points
    from alphafold3_pytorch.structure.geometry import WeightedRigidAlign as WeightedRigidAlign
    from alphafold3_pytorch.train.datasets import AtomDataset as AtomDataset
    from alphafold3_pytorch.train.datasets import DataLoader as DataLoader
    from alphafold3_pytorch.train.datasets import PDBDataset as PDBDataset
    from alphafold3_pytorch.train.datasets import PDBDistillationDataset as PDBDistillationDataset
    from alphafold3_pytorch.train.datasets import atom_input_to_file as atom_input_to_file
    from alphafold3_pytorch.train.datasets import file_to_atom_input as file_to_atom_input
    from alphafold3_pytorch.train.datasets import pdb_dataset_to_atom_inputs as pdb_dataset_to_atom_inputs
    from alphafold3_pytorch.train.elucidated import ElucidatedAtomDiffusion as ElucidatedAtomDiffusion
    from alphafold3_pytorch.train.lddt import SmoothLDDTLoss as SmoothLDDTLoss
    from alphafold3_pytorch.train.losses import LossBreakdown as LossBreakdown
    from alphafold3_pytorch.train.losses import LossConfig as LossConfig
    from alphafold3_pytorch.train.permutation import MultiChainPermutationAlignment as MultiChainPermutationAlignment
    from alphafold3_pytorch.train.trainer import Trainer as Trainer


def _public_names() -> dict[str, str]:
    """Name -> module, from the `if TYPE_CHECKING:` block of this file."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}


_MODULES = _public_names()
__all__ = sorted(_MODULES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        near = get_close_matches(name, _MODULES, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
