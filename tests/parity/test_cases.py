"""The network against what the families' own code computed, stage by stage."""

from pathlib import Path

import pytest
import torch

from tools.parity import stages
from tools.parity_stage import Stage

CASES = Path(__file__).resolve().parents[1] / "goldens" / "cases"
NAMES = sorted(path.name for path in CASES.iterdir())
SHARED = ("alphafold3", "openfold3", "openfold3_p2", "protenix_mini_esm", "protenix_v0.5", "protenix_v1", "protenix_v2")

OFFICIAL = {
    "target_feat",
    *(f"trunk/pass{count}/{name}" for count in (1, 2, 4) for name in ("single", "pair")),
    *(f"trunk_no_template/pass1/{name}" for name in ("single", "pair")),
    *(f"denoise/{i}/{name}" for i in range(3) for name in ("positions_denoised", "network_update")),
    *(f"distogram/{name}" for name in ("logits", "contact_probs", "bin_edges")),
    *("sample/noise_levels", "sample/trajectory/0", "sample/trajectory/2", "sample/atom_positions"),
    *(f"confidence/{name}" for name in ("predicted_lddt", "full_pae", "full_pde", "average_pde")),
    *(f"confidence/tmscore_adjusted_pae_{name}" for name in ("global", "interface")),
    "confidence/predicted_experimentally_resolved",
}
PEERS = {
    *("s_inputs", "s_cycle1", "z_cycle1", "s_cycle3", "z_cycle3", "distogram_logits", "contact_probs"),
    *("x_denoised/0", "x_denoised/1", "rollout_x", "noise_schedule_6", "noise_schedule_200"),
    *("plddt_logits", "resolved_logits", "pae_logits", "pde_logits", "atom_plddt", "token_pair_pae", "token_pair_pde"),
}


def compare(case: Path, dtype: torch.dtype = torch.float32) -> list[Stage]:
    """All stages of a case, which must agree."""
    with torch.no_grad():
        found = list(stages(case, dtype))
    off = [stage.line() for stage in found if not stage.passed]
    assert not off, "\n" + "\n".join(off)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_small_case(name):
    compared = {stage.name for stage in compare(CASES / name)}
    assert compared >= (OFFICIAL if name == "alphafold3" else PEERS)


@pytest.mark.parametrize("name", ["openfold3", "protenix_v1"])
def test_small_case_in_double_precision(name):
    for stage in compare(CASES / name, torch.float64):
        if not stage.name.startswith("token_pair"):  # whose reference is in single precision
            assert stage.error <= 1e-5 * max(stage.deviation, 1), stage.line()


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED)
def test_shared_case(shared, name):
    compared = compare(shared / "parity" / "golden" / name)
    inside = {stage.name for stage in compared} - OFFICIAL - PEERS
    assert len(inside) > 10 or not (shared / "parity" / "golden" / name / "intermediates.safetensors").exists()
