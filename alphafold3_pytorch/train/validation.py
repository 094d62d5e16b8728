"""How good the structures of a network are: lDDT by kind of chain and interface, and the score of SI 5.7."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric

from alphafold3_pytorch.features.batch import FeatureBatch
from alphafold3_pytorch.features.tensors import of_atoms
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.sampler import RandomDraws
from alphafold3_pytorch.nn.heads import ConfidenceLogits
from alphafold3_pytorch.predict.scores.selection import KINDS as MOLECULES
from alphafold3_pytorch.predict.scores.selection import ComputeModelSelectionScore, kind_of
from alphafold3_pytorch.shapes import Bool, Float, Tensor
from alphafold3_pytorch.structure.lddt import NUCLEIC_ACID_CUTOFF, OTHER_CUTOFF, group_lddt
from alphafold3_pytorch.train.examples import Example
from alphafold3_pytorch.train.random_streams import VALIDATION, mixed, seeded

logger = logging.getLogger(__name__)
Scores = dict[str, float]


@dataclass(frozen=True)
class Validation:
    """How structures are sampled, and which weights (of initial training or fine-tuning) make the selection score."""

    samples: int = 5
    steps: int = 200
    recycles: int = 3
    fine_tuning: bool = False


class Validator:
    """Scores a model on a data set; with several processes each takes its share."""

    def __init__(self, dataset: Any, make: Callable[[Any], Any], settings: Validation, fabric: Fabric | None = None):
        self.dataset, self.make, self.settings, self.fabric = dataset, make, settings, fabric
        self.selection = ComputeModelSelectionScore(is_fine_tuning=settings.fine_tuning)

    def __call__(self, model: Any, seed: int = 0) -> Scores:
        """Means over the data set; `failed` counts the examples that could not be read."""
        rank, ranks = (self.fabric.global_rank, self.fabric.world_size) if self.fabric else (0, 1)
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        training = model.training
        model.eval()
        failed = 0
        for index in range(rank, len(self.dataset), ranks):
            with seeded(seed, VALIDATION, index):
                example = self.read(index)
                if example is None:
                    failed += 1
                    continue
                for name, value in self.score(model.network, example, mixed(seed, VALIDATION, index)).items():
                    sums[name][0] += value
                    sums[name][1] += 1
        model.train(training)
        if self.fabric is not None and ranks > 1:
            sums, failed = gathered(self.fabric, sums, failed)
        means = {name: total / count for name, (total, count) in sorted(sums.items())}
        return self.with_selection(means) | {"failed": float(failed)}

    def read(self, index: int) -> Example | None:
        try:
            item = self.make(self.dataset[index])
        except Exception as error:  # whatever it is: one bad example must not end the run
            logger.warning("validation leaves out example %d: %s", index, " ".join(str(error).split()))
            return None
        if not isinstance(item, Example):
            raise ValueError(
                f"validation needs structures (PDBInput, or Example), not {type(item).__name__}, "
                "and a model that reads the features of the paper (dim_atom_inputs=389)"
            )
        return item

    @torch.no_grad()
    def score(self, network: Network, example: Example, seed: int) -> Scores:
        """Each kind of lDDT: the mean of the most confident sample (lowest global PDE) and of the best one."""
        device = next(network.parameters()).device
        batch, labels = example.features.to(device), example.labels.to(device)
        inputs, single, pair = network(batch, self.settings.recycles + 1)
        known = labels.resolved[0] & batch.atom_mask[0]
        distances = network.distogram(pair).movedim(-1, 1)
        represented = batch.token_mask & (batch.distogram_atom >= 0)
        groups = groups_of(batch)
        found = []
        for number in range(self.settings.samples):
            draws = RandomDraws(batch.atom_mask, [[mixed(seed, number)]])
            *_, positions = network.sample(batch, inputs, single, pair, draws, self.settings.steps)
            judged = network.predict_confidence(batch, inputs, single, pair, positions)
            logits = ConfidenceLogits(*(each[:, 0] for each in judged))
            edges = self.selection.dist_breaks.to(device)
            gpde = self.selection.compute_gpde(logits.pde.movedim(-1, 1).float(), distances.float(), edges, represented)
            scores = dict(lddts(positions[0, 0], labels.positions[0], known, groups))
            found.append((float(gpde), scores))
        confident = min(found, key=lambda pair: pair[0])[1]
        best = {name: max(scores[name] for _, scores in found) for name in confident}
        return {name: (confident[name] + best[name]) / 2 for name in confident} | {"gpde": min(x for x, _ in found)}

    def with_selection(self, means: Scores) -> Scores:
        """With the mean of the kinds of lDDT in the paper's weights, 0 to 1."""
        weighted = []
        for name, value in means.items():
            kind, _, where = name.rpartition(" ")
            if where in ("interface", "intra-chain") and (weight := self.weight(kind, where)):
                weighted.append((weight, value))
        if not weighted:
            return means
        return means | {"selection": sum(w * x for w, x in weighted) / sum(w for w, _ in weighted)}

    def weight(self, kind: str, where: str) -> float:
        first, last = (MOLECULES.index(each) for each in kind.split("-"))
        try:
            return self.selection.get_lddt_weight(first, last, where)
        except ValueError:  # the paper has no weight for some, as for a ligand's inner distances beside others
            return 0.0


class Groups(NamedTuple):
    """The chains of a complex as sets of atoms, and the radius (Å) within which an atom's distances count."""

    chains: list[tuple[str, Bool[Tensor, "m"]]]  # what it is made of, its atoms
    cutoff: Float[Tensor, "m"]


def groups_of(batch: FeatureBatch) -> Groups:
    """Of a batch of one."""
    asym, kinds = batch.asym_id[0], batch.molecule_type[0]
    nucleic = of_atoms(batch.molecule_type, batch.atom_to_token)[0, :, 1:3].any(dim=-1)
    of_atom = batch.atom_to_token[0].clamp(min=0)
    chains = [(MOLECULES[kind_of(kinds[asym == each])], (asym == each)[of_atom]) for each in asym.unique()]
    return Groups(chains, torch.where(nucleic, NUCLEIC_ACID_CUTOFF, OTHER_CUTOFF))


def lddts(
    predicted: Float[Tensor, "m 3"], true: Float[Tensor, "m 3"], known: Bool[Tensor, "m"], groups: Groups
) -> Iterator[tuple[str, float]]:
    """lDDT of all atoms, and the mean of those of each kind of chain and of interface."""
    everything = float(group_lddt(predicted, true, known, known, groups.cutoff))
    if everything == everything:
        yield "lddt", everything
    kinds: dict[str, list[float]] = defaultdict(list)
    chains = [(chain, mask & known) for chain, mask in groups.chains]
    pairs = [(pair, "intra-chain") for pair in zip(chains, chains, strict=True)]
    pairs += [(pair, "interface") for pair in combinations(chains, 2)]
    for ((one, first), (other, last)), where in pairs:
        value = float(group_lddt(predicted, true, first, last, groups.cutoff))
        if value == value:
            kinds[f"{'-'.join(sorted((one, other)))} {where}"].append(value)
    yield from ((name, sum(values) / len(values)) for name, values in kinds.items())


def gathered(fabric: Fabric, sums: dict[str, list[float]], failed: int) -> tuple[dict[str, list[float]], int]:
    """The sums of all processes together."""
    everywhere: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(everywhere, (dict(sums), failed))
    total: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for own, _ in everywhere:
        for name, (value, count) in own.items():
            total[name] = [total[name][0] + value, total[name][1] + count]
    return total, sum(count for _, count in everywhere)
