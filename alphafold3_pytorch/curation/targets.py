"""Rules by which a whole entry is left out. Each gives the reason, or nothing."""

import math
from collections.abc import Callable
from typing import NamedTuple

from alphafold3_pytorch.curation.parts import is_polymer, token_count
from alphafold3_pytorch.curation.policy import Policy
from alphafold3_pytorch.structure.mmcif import Entry


def release_date(entry: Entry, policy: Policy) -> str:
    """SI 2.5.4, 5.8: released within the dates of the set."""
    if not entry.released:
        return "no release date is known"
    inside = policy.earliest <= entry.released <= policy.latest
    return "" if inside else f"released {entry.released}, not {policy.earliest} to {policy.latest}"


def method(entry: Entry, policy: Policy) -> str:
    """SI 5.8: structures by NMR are not evaluated on."""
    return "" if policy.nmr or "NMR" not in entry.method else f"method {entry.method}"


def resolution(entry: Entry, policy: Policy) -> str:
    """SI 2.5.4, 5.8: a resolution is reported, and it is good enough. NMR has none."""
    if entry.resolution is None:
        return "no resolution is known"
    return _too_large(entry.resolution, policy.resolution, policy.exclusive, "resolution {} Å")


def polymer_chains(entry: Entry, policy: Policy) -> str:
    """SI 2.5.4: at most 300 polymer chains for training, 1000 for evaluation."""
    return _too_large(int(is_polymer(entry.structure).sum()), policy.polymer_chains, False, "{} polymer chains")


def tokens(entry: Entry, policy: Policy) -> str:
    """SI 5.8: small enough to be predicted."""
    limit = math.inf if policy.tokens is None else policy.tokens
    return _too_large(token_count(entry.structure), limit, policy.exclusive, "{} tokens")


def polymers_left(entry: Entry, policy: Policy) -> str:
    """What is left of an entry has a polymer."""
    return "" if is_polymer(entry.structure).any() else "no polymer chain is left"


def _too_large(value: int | float, limit: int | float, exclusive: bool, text: str) -> str:
    too_large = value >= limit if exclusive else value > limit
    return f"{text.format(value)}, the limit is {'below ' if exclusive else ''}{limit}" if too_large else ""


class TargetRule(NamedTuple):
    name: str
    reason: Callable[[Entry, Policy], str]


ON_ARRIVAL = (
    TargetRule("release date", release_date),
    TargetRule("method", method),
    TargetRule("resolution", resolution),
    TargetRule("polymer chains", polymer_chains),
)
ON_LEAVING = (TargetRule("nothing left", polymers_left), TargetRule("tokens", tokens))
