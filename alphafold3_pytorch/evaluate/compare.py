"""One predicted structure against the true one: every score of the complex, its chains, interfaces and ligands."""

from dataclasses import replace
from itertools import combinations

import numpy as np
from jaxtyping import Bool

from alphafold3_pytorch.chem.residues import PROTEIN
from alphafold3_pytorch.evaluate.confidences import Confidences
from alphafold3_pytorch.evaluate.dockq import CONTACT, dockq
from alphafold3_pytorch.evaluate.geometry import Problems
from alphafold3_pytorch.evaluate.lddt import Lddt, lddt, trace_lddt
from alphafold3_pytorch.evaluate.ligands import Pocket, lddt_pli
from alphafold3_pytorch.evaluate.match import Match, match
from alphafold3_pytorch.evaluate.rows import NEAR, NONE, ChainRow, InterfaceRow, LigandRow, SampleRow, Scored, mean
from alphafold3_pytorch.evaluate.superposition import GlobalScores, global_scores
from alphafold3_pytorch.predict.chemistry.measure import near
from alphafold3_pytorch.structure.table import Structure

ION, LIGAND = "ion", "ligand"


def compare(
    prediction: Structure,
    reference: Structure,
    confidences: Confidences | None = None,
    name: str = "",
    sample: str = "",
) -> Scored:
    """All scores of a prediction. Every atom has a position; of the reference not all need to be there."""
    confidences = confidences or Confidences()
    matched = match(reference, prediction)
    if not matched.chains:
        raise ValueError("no chain of the prediction is one of the reference")
    problems = Problems.of(prediction)
    comparison = _Comparison(prediction, reference, matched, problems, confidences, (name, sample))
    return comparison.scored()


class _Comparison:
    def __init__(
        self,
        prediction: Structure,
        reference: Structure,
        matched: Match,
        problems: Problems,
        confidences: Confidences,
        of: tuple[str, str],
    ):
        self.prediction, self.reference, self.matched, self.problems = prediction, reference, matched, problems
        self.confidences, self.of = confidences, of
        self.known = np.asarray(np.isfinite(matched.predicted).all(axis=1))
        self.counted = np.isin(reference.chain, list(matched.chains))
        self.superposed: dict[bytes, GlobalScores] = {}
        self.lddt: Lddt = lddt(reference, matched.predicted, self.counted)
        sizes = np.bincount(reference.chain, minlength=len(reference.chains))
        self.kinds = [
            chain.kind if chain.is_polymer else ION if size == 1 else LIGAND
            for chain, size in zip(reference.chains, sizes.tolist(), strict=True)
        ]

    def scored(self) -> Scored:
        polymers = [r for r in self.matched.chains if self.reference.chains[r].is_polymer]
        chains = [self.chain(r) for r in polymers]
        interfaces = [self.interface(r, q) for r, q in self.touching()]
        ligands = [self.ligand(r) for r in self.matched.poses]
        groups: dict[str, list[float]] = {}
        for row in chains:
            groups.setdefault(row.kind, []).append(row.lddt)
        for row in interfaces:
            groups.setdefault(row.kind, []).append(row.ilddt)
        kinds = {kind: mean(values) for kind, values in groups.items()}
        row = self.sample(chains, interfaces, [each for each in ligands if each.kind == LIGAND])
        return Scored(row, chains, interfaces, ligands, kinds, self.problems.geometry)

    def sample(self, chains: list[ChainRow], interfaces: list[InterfaceRow], ligands: list[LigandRow]) -> SampleRow:
        reference, found = self.reference, self.matched.chains
        polymer = np.array([each.is_polymer for each in reference.chains])[reference.chain]
        protein = self.trace("CA", PROTEIN)
        trace = protein if protein.any() else self.trace("C3'")
        scores = self.globally(trace, PROTEIN if protein.any() else "nucleic acid")
        near_ones = [ligand for ligand in ligands if ligand.rmsd < NEAR]
        represented = self.trace("CA", PROTEIN) | self.trace("C1'")
        judged = self.confidences
        return SampleRow(
            *self.of,
            notes=self.problems.why,
            ranking_score=judged.ranking_score,
            ptm=judged.ptm,
            iptm=judged.iptm,
            plddt=judged.plddt,
            residues=len(np.unique(reference.residue_keys[polymer])),
            coverage=float(self.known[polymer].mean()) if polymer.any() else NONE,
            chains=len(found),
            chains_missing=_names(reference, set(range(len(reference.chains))) - found.keys()),
            chains_extra=_names(self.prediction, set(range(len(self.prediction.chains))) - set(found.values())),
            lddt=self.lddt.all_atoms,
            lddt_trace=trace_lddt(reference.positions[represented], self.matched.predicted[represented]),
            **scores._asdict(),
            ilddt=mean([row.ilddt for row in interfaces]),
            dockq=mean([row.dockq for row in interfaces]),
            ligands=len(ligands),
            ligand_rmsd=mean([row.rmsd for row in ligands]),
            ligands_near=len(near_ones),
            ligands_valid=sum(ligand.problems == 0 for ligand in near_ones),
            lddt_pli=mean([row.lddt_pli for row in ligands]),
            problems=self.problems.count,
            valid=self.problems.count == 0,
            bond_rmsd=self.problems.geometry.bond_rmsd,
            bonds_close=self.problems.geometry.bonds_close,
        )

    def trace(self, name: str, kind: str | None = None) -> Bool[np.ndarray, "m"]:
        """Atoms of a name in polymers that match, of a kind if one is given."""
        wanted = np.array([chain.is_polymer and kind in (None, chain.kind) for chain in self.reference.chains])
        return self.counted & wanted[self.reference.chain] & (self.reference.names == name)

    def globally(self, trace: Bool[np.ndarray, "m"], kind: str) -> GlobalScores:
        """Once where the complex has one chain only."""
        key = trace.tobytes()
        if key not in self.superposed:
            self.superposed[key] = global_scores(self.reference.positions[trace], self.matched.predicted[trace], kind)
        return self.superposed[key]

    def chain(self, r: int) -> ChainRow:
        chain, mine = self.reference.chains[r], self.reference.chain == r
        name = "CA" if chain.kind == PROTEIN else "C3'"
        return ChainRow(
            *self.of,
            chain=chain.id,
            predicted_chain=self.predicted_name(r),
            kind=chain.kind,
            residues=len(np.unique(self.reference.residue[mine])),
            coverage=float(self.known[mine].mean()),
            identity=self.matched.identity[r],
            lddt=float(self.lddt.chains[r, r]),
            **self.globally(self.trace(name) & mine, chain.kind)._asdict(),
        )

    def touching(self) -> list[tuple[int, int]]:
        """Chains that match and come within 5 Å of one another."""
        rows, count = np.flatnonzero(self.counted), len(self.reference.chains)
        touch, chain = np.zeros((count, count), bool), self.reference.chain[rows]
        for i, j in near(self.reference.positions[rows], self.reference.positions[rows], CONTACT):
            touch[chain[i], chain[j]] = True
        return [pair for pair in combinations(self.matched.chains, 2) if touch[pair]]

    def interface(self, r: int, q: int) -> InterfaceRow:
        both = self.reference.chains[r], self.reference.chains[q]
        row = InterfaceRow(
            *self.of,
            chains="-".join(chain.id for chain in both),
            predicted_chains=f"{self.predicted_name(r)}-{self.predicted_name(q)}",
            kind="-".join(sorted((self.kinds[r], self.kinds[q]), key=KINDS.index)),
            ilddt=float(self.lddt.chains[r, q]),
            iptm=self.confidences.pair(self.predicted_name(r), self.predicted_name(q)),
        )
        docked = dockq(self.reference, self.matched.predicted, r, q) if all(each.is_polymer for each in both) else None
        return row if docked is None else replace(row, **docked._asdict())

    def ligand(self, r: int) -> LigandRow:
        atoms = np.flatnonzero(self.reference.chain == r)
        own = self.predicted_name(r)
        polymers = [self.predicted_name(q) for q in self.matched.chains if self.reference.chains[q].is_polymer]
        iptms = [value for other in polymers if (value := self.confidences.pair(own, other)) == value]
        return LigandRow(
            *self.of,
            chain=self.reference.chains[r].id,
            predicted_chain=own,
            codes="-".join(self.reference.chains[r].residues),
            kind=self.kinds[r],
            atoms=len(atoms),
            pocket=Pocket.of(self.reference, self.matched.predicted, atoms).residues,
            rmsd=self.matched.poses[r],
            lddt_pli=lddt_pli(self.reference, self.matched.predicted, atoms),
            problems=self.problems.of_chain(own),
            iptm=max(iptms, default=NONE),
        )

    def predicted_name(self, r: int) -> str:
        return self.prediction.chains[self.matched.chains[r]].id


KINDS = ("protein", "rna", "dna", LIGAND, ION)


def _names(structure: Structure, numbers: set[int]) -> str:
    """Chains in words: `B protein, D (GOL)`."""
    chains = [structure.chains[number] for number in sorted(numbers)]
    words = [
        f"{each.id} {each.kind}" if each.is_polymer else f"{each.id} ({'-'.join(each.residues)})" for each in chains
    ]
    return ", ".join(words)
