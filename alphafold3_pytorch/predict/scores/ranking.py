"""The order of a job's samples: by the whole complex, by one chain, or by the interface of two (SI 5.9.3)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence


class Judged(NamedTuple):
    """A sample and what is known of it."""

    sample: Sample
    confidence: Confidence
    chemistry: Chemistry


def rank(results: Sequence[Judged], chains: Sequence[str] = ()) -> list[Judged]:
    """Best first; equal ones by seed and sample number, those without a score last.

    `chains` is empty for the whole complex, or names the chain or the two chains that the order is about.
    """
    scored = [(merit(result, chains), result) for result in results]
    scored.sort(key=lambda item: (math.isnan(item[0]), -item[0], item[1].sample.seed, item[1].sample.number))
    return [result for _, result in scored]


def merit(result: Judged, chains: Sequence[str] = ()) -> float:
    """What `rank` compares: the score less what is wrong with the chemistry.

    The whole complex has its ranking score, a polymer its pTM, a ligand the mean of its ipTMs with the other chains,
    and two chains the mean of both chains' means (equation 20). Clashes cost 100 in any order.
    """
    confidence, penalty = result.confidence, result.chemistry.penalty
    if not chains:
        return confidence.ranking_score - penalty
    places = [place_of(confidence, chain) for chain in chains]
    if len(places) > 2:
        raise ValueError(f"chains is {', '.join(chains)}; samples are ranked by none, one or two of them")
    if len(places) == 1 and is_polymer(result.sample, chains[0]):
        score = confidence.chain_ptm[places[0]]
    else:
        score = sum(confidence.chain_iptm[place] for place in places) / len(places)
    return float(score) - 100 * confidence.has_clash - penalty


def place_of(confidence: Confidence, chain: str) -> int:
    if chain not in confidence.chains:
        raise ValueError(f"there is no chain {chain!r} to rank by; the chains are {', '.join(confidence.chains)}")
    return confidence.chains.index(chain)


def is_polymer(sample: Sample, chain: str) -> bool:
    return next(known for known in sample.structure.chains if known.id == chain).is_polymer
