"""What the sets of AlphaFold 3 are made of: numbers of SI 2.5.4 (training) and 5.8 (evaluation)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Limits of a set. Dates are ISO and belong to the set; distances are Å."""

    earliest: str = "1970-01-01"  # release
    latest: str = "2021-09-30"
    resolution: float = 9.0
    exclusive: bool = False  # resolution and tokens have to be below their limits, not at them
    nmr: bool = True
    polymer_chains: int = 300
    tokens: int | None = None
    shortest: int = 4  # resolved residues of a polymer chain
    clash_distance: float = 1.7
    clash_share: float = 0.3  # of a chain's atoms
    gap: float = 10.0  # between C-alpha atoms of neighbours
    chains: int = 20  # of an assembly
    interface: float = 15.0  # between centres of tokens
    exclude_ligands: bool = False
    rscc: float = 0.8  # of ligands, where the file says
    completeness: float = 1.0  # share of a ligand's heavy atoms that were seen
    seed: int = 0  # of the interface that large assemblies are cut around


TRAINING = Policy()
VALIDATION = Policy(
    earliest="2021-10-01",
    latest="2023-01-13",
    resolution=4.5,
    polymer_chains=1000,
    tokens=2048,
    exclude_ligands=True,
)
TEST = Policy(
    earliest="2023-01-14",
    latest="2024-04-30",
    resolution=4.5,
    exclusive=True,
    nmr=False,
    polymer_chains=1000,
    tokens=5120,
    exclude_ligands=True,
)
SPLITS = {"train": TRAINING, "val": VALIDATION, "test": TEST}
