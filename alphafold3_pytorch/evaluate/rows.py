"""What is written of an evaluation: one row a sample, a chain, an interface, a ligand. NaN where not defined."""

from dataclasses import dataclass, field
from typing import Any

NONE = float("nan")
NEAR = 2.0  # Å, RMSD of a ligand that is right


@dataclass
class Row:
    target: str
    sample: str = ""


@dataclass
class SampleRow(Row):
    top_ranked: bool = False
    best: bool = False  # by lDDT
    error: str = ""
    notes: str = ""
    ranking_score: float = NONE
    ptm: float = NONE
    iptm: float = NONE
    plddt: float = NONE  # 0 to 100
    residues: int = 0  # of polymers of the reference, resolved
    coverage: float = NONE  # of their atoms, those that are predicted
    chains: int = 0  # that match
    chains_missing: str = ""  # of the reference
    chains_extra: str = ""  # of the prediction
    lddt: float = NONE
    lddt_trace: float = NONE  # CA and C1' only
    rmsd: float = NONE  # Å, as the next three of CA atoms (C3' where there is no protein)
    tm: float = NONE
    gdt_ts: float = NONE
    gdt_ha: float = NONE
    ilddt: float = NONE  # mean over interfaces
    dockq: float = NONE  # mean over interfaces of polymers
    ligands: int = 0  # that match, without ions
    ligand_rmsd: float = NONE  # mean, Å
    ligands_near: int = 0  # within 2 Å
    ligands_valid: int = 0  # of these, those without impossible chemistry
    lddt_pli: float = NONE  # mean
    problems: int = -1  # of chemistry, -1 where it could not be checked
    valid: bool = False  # no problem but cis peptide bonds
    bond_rmsd: float = NONE  # Å, of bond lengths from the ideal ones
    bonds_close: float = NONE  # share of bonds within 0.1 Å of the ideal length
    reference: str = ""
    file: str = ""


@dataclass
class ChainRow(Row):
    chain: str = ""  # of the reference
    predicted_chain: str = ""
    kind: str = ""
    residues: int = 0
    coverage: float = NONE
    identity: float = NONE
    lddt: float = NONE
    rmsd: float = NONE
    tm: float = NONE
    gdt_ts: float = NONE
    gdt_ha: float = NONE


@dataclass
class InterfaceRow(Row):
    chains: str = ""  # of the reference, A-B
    predicted_chains: str = ""
    kind: str = ""
    ilddt: float = NONE
    dockq: float = NONE
    fnat: float = NONE
    fnonnat: float = NONE
    irmsd: float = NONE
    lrmsd: float = NONE
    contacts: int = 0  # pairs of residues of the reference
    iptm: float = NONE


@dataclass
class LigandRow(Row):
    chain: str = ""  # of the reference
    predicted_chain: str = ""
    codes: str = ""
    kind: str = ""  # ligand or ion
    atoms: int = 0
    pocket: int = 0  # residues
    rmsd: float = NONE
    lddt_pli: float = NONE
    problems: int = -1
    iptm: float = NONE  # the best with any polymer


@dataclass
class Geometry:
    """Chemistry of a structure: of each kind how many were checked, and how many are wrong."""

    checked: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    bond_rmsd: float = NONE
    bonds_close: float = NONE


@dataclass
class Scored:
    """A sample with its parts."""

    row: SampleRow
    chains: list[ChainRow] = field(default_factory=list)
    interfaces: list[InterfaceRow] = field(default_factory=list)
    ligands: list[LigandRow] = field(default_factory=list)
    kinds: dict[str, float] = field(default_factory=dict)  # lDDT by kind of chain and of interface
    geometry: Geometry = field(default_factory=Geometry)


@dataclass
class Judged:
    """A target with its samples, or with what is wrong."""

    name: str
    samples: list[Scored]
    reference: Geometry = field(default_factory=Geometry)

    @property
    def good(self) -> list[Scored]:
        return [scored for scored in self.samples if not scored.row.error]


def mean(values: list[float]) -> float:
    """Of those that are defined."""
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else NONE


def plain(value: Any) -> Any:
    """For tables and JSON: no long tails of digits, nothing where there is no number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return round(value, 4) if abs(value) < 1e9 else None
    return value
