"""What the numbers mean in words: a verdict on the best sample, and what to be careful about in all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alphafold3_pytorch.predict.chemistry import KINDS, SEVERE, Chemistry
from alphafold3_pytorch.predict.report.facts import JobFacts, Result

# Lower ends of ranges. pLDDT: the AlphaFold database. ipTM and pTM: EMBL-EBI's guide to AlphaFold confidence scores.
PLDDT = ((90.0, "very high"), (70.0, "confident"), (50.0, "low"), (0.0, "very low"))
IPTM = ((0.8, "high"), (0.6, "uncertain"), (0.0, "low"))
PTM_FOLD = 0.5
SHALLOW_MSA = 30  # sequences, below which accuracy falls steeply (Jumper et al. 2021, figure 5a)
MOSTLY_DISORDERED = 0.5


@dataclass(frozen=True)
class Verdict:
    """A level, and the sentences that lead to it."""

    level: str  # high, medium, low or none
    title: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Notice:
    """Something a reader has to know before trusting a number."""

    severe: bool
    text: str
    samples: str = ""  # which ones; empty for all


def label(result: Result) -> str:
    return f"seed {result.seed}, sample {result.number}"


def verdict(facts: JobFacts, best: Result) -> Verdict:
    """How far the best sample can be trusted: as far as the weaker of its local and its overall structure."""
    if facts.weights_warning:
        return Verdict("none", "No confidence", (facts.weights_warning,))
    scores = best.confidence
    judged = [_local(scores.plddt)]
    if scores.ptm == scores.ptm:
        judged.append(_overall(scores.ptm))
    if scores.iptm == scores.iptm:
        judged.append(_interfaces(scores.iptm))
    worst = min((level for level, _ in judged), key=("low", "medium", "high").index)
    return Verdict(worst, f"{worst.capitalize()} confidence", tuple(reason for _, reason in judged))


def _local(plddt: float) -> tuple[str, str]:
    level = "high" if plddt >= 70 else "medium" if plddt >= 50 else "low"
    ranges = "above 90 very high, 70 to 90 confident, 50 to 70 low, below 50 very low"
    return level, f"Local structure: mean pLDDT {plddt:.1f}, {band(plddt, PLDDT)} ({ranges})."


def _overall(ptm: float) -> tuple[str, str]:
    if ptm >= PTM_FOLD:
        return "high", f"Overall fold: pTM {ptm:.2f}, above {PTM_FOLD}: the fold may well be right."
    return "medium", f"Overall fold: pTM {ptm:.2f}, below {PTM_FOLD}: how domains lie to each other is not certain."


def _interfaces(iptm: float) -> tuple[str, str]:
    word = band(iptm, IPTM)
    ranges = "above 0.8 high, 0.6 to 0.8 uncertain, below 0.6 probably wrong"
    return {"uncertain": "medium"}.get(word, word), f"Arrangement of the chains: ipTM {iptm:.2f}, {word} ({ranges})."


def band(value: float, bands: Sequence[tuple[float, str]]) -> str:
    """The word for the range that a value is in."""
    return next((word for least, word in bands if value >= least), bands[-1][1])


def notices(facts: JobFacts, results: Sequence[Result]) -> list[Notice]:
    """Warnings, the severe ones first."""
    found = [*_of_job(facts), *_of_chains(results[0]), *_of_samples(results)]
    return sorted(found, key=lambda notice: not notice.severe)


def _of_job(facts: JobFacts) -> Iterator[Notice]:
    if facts.weights_warning:
        yield Notice(True, facts.weights_warning)
    yield from (Notice(False, text) for text in facts.warnings)
    alone = [chain for chain, depth in facts.msa_depths.items() if depth <= 1]
    few = {chain: depth for chain, depth in facts.msa_depths.items() if 1 < depth < SHALLOW_MSA}
    if alone:
        yield Notice(False, f"{_chains(alone)}: no related sequences, predicted from the single sequence.")
    if few:
        depths = ", ".join(f"{chain} {depth}" for chain, depth in few.items())
        yield Notice(False, f"Few related sequences (fewer than {SHALLOW_MSA} in the alignment): chain {depths}.")


def _of_chains(best: Result) -> Iterator[Notice]:
    scores = best.confidence
    poor = [chain for chain, plddt in zip(scores.chains, scores.chain_plddt, strict=True) if plddt < 50]
    if poor:
        yield Notice(False, f"{_chains(poor)}: very low confidence (mean pLDDT below 50).", label(best))


def _of_samples(results: Sequence[Result]) -> Iterator[Notice]:
    clashing = [result for result in results if result.confidence.has_clash]
    loose = [result for result in results if result.confidence.fraction_disordered > MOSTLY_DISORDERED]
    flawed = [result for result in results if problem_total(result.chemistry)]
    if clashing:
        yield Notice(results[0] in clashing, "Chains run into each other (clash).", _samples(clashing, results))
    if loose:
        yield Notice(False, "More than half of the protein residues look disordered.", _samples(loose, results))
    if results[0] in flawed:
        found = results[0].chemistry.found
        severe = any(KINDS[kind].severity >= SEVERE for kind, count in found.items() if count and kind in KINDS)
        yield Notice(severe, f"Chemistry problems in the best sample: {problem_counts(found)}.", label(results[0]))
    if others := [result for result in flawed if result is not results[0]]:
        yield Notice(False, "Chemistry problems in other samples; the table names them.", _samples(others, results))


def problem_total(chemistry: Chemistry) -> int:
    """How many problems there are, listed or not."""
    return sum(chemistry.found.values())


def problem_counts(found: Mapping[str, int]) -> str:
    """How many problems of each kind, the most frequent first."""
    counts = sorted(((count, kind) for kind, count in found.items() if count), key=lambda item: -item[0])
    return ", ".join(f"{named(kind)} {count:,}" for count, kind in counts)


def named(kind: str) -> str:
    """A kind of problem as one reads it."""
    return kind.replace("_", " ")


def _chains(ids: Sequence[str]) -> str:
    return f"Chain{'s' if len(ids) > 1 else ''} {', '.join(ids)}"


def _samples(some: Sequence[Result], results: Sequence[Result], most: int = 4) -> str:
    if len(some) == len(results):
        return "all samples" if len(results) > 1 else label(some[0])
    shown = "; ".join(map(label, some[:most]))
    return shown + (f"; and {len(some) - most} more" if len(some) > most else "")
