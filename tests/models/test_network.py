"""Laws of the whole network: padding, sharing of work, memory policies, gradients."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from alphafold3_pytorch import Alphafold3
from alphafold3_pytorch.features.batch import Templates, map_tensors
from alphafold3_pytorch.features.tensors import feature_batch
from alphafold3_pytorch.models.sampler import RandomDraws, noise_schedule
from alphafold3_pytorch.models.trunk import distinct_templates
from alphafold3_pytorch.ops.rows import row_budget
from tests.synthetic import collate, complex_tensors, randomise, small_arguments, without

CLOSE: dict[str, Any] = dict(atol=2e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def model() -> Alphafold3:
    return randomise(Alphafold3(**small_arguments()), scale=0.3).eval()


def batch_of(model: Alphafold3, tensors):
    config = model.config.atoms
    return feature_batch(tensors, config.queries, config.keys, model.sizes)


def outputs(model: Alphafold3, tensors, seeds):
    """Everything the network computes for a batch."""
    with torch.no_grad():
        batch = batch_of(model, tensors)
        trunk = inputs, single, pair = model.network(batch, 2)
        draws = RandomDraws(batch.atom_mask, [[seed, seed + 1] for seed in seeds])
        positions = list(model.network.sample(batch, inputs, single, pair, draws, 3))[-1]
        logits = model.network.predict_confidence(batch, inputs, single, pair, positions)
        return batch, (*trunk, model.network.distogram(pair)), positions, logits


def test_padding_changes_nothing(model):
    complexes = [complex_tensors(8, 3, seed=1), complex_tensors(5, 0, seed=2), complex_tensors(12, 6, seed=3, rows=3)]
    together = outputs(model, collate(complexes), [10, 20, 30])
    for i, tensors in enumerate(complexes):
        alone = outputs(model, tensors, [10 * (i + 1)])
        n, m = alone[0].token_mask.shape[1], int(alone[0].atom_mask.sum())
        for ours, theirs in zip(together[1], alone[1], strict=True):
            ours = ours[i : i + 1, :n, :n] if ours.ndim == 4 else ours[i : i + 1, :n]
            torch.testing.assert_close(ours, theirs, **CLOSE)
        torch.testing.assert_close(together[2][i, :, :m], alone[2][0, :, :m], atol=1e-3, rtol=1e-4)
        pae, pde, plddt, resolved = (part[i] for part in together[3])
        for ours, theirs in zip((pae, pde), alone[3][:2], strict=True):
            torch.testing.assert_close(ours[:, :n, :n], theirs[0], atol=1e-3, rtol=1e-3)
        for ours, theirs in zip((plddt, resolved), alone[3][2:], strict=True):
            torch.testing.assert_close(ours[:, :m], theirs[0, :, :m], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("left_out", [("msa", "additional_msa"), ("template",), ("msa", "additional_msa", "template")])
def test_optional_inputs(model, left_out):
    _, trunk, positions, _ = outputs(model, without(complex_tensors(6), *left_out), [0])
    assert all(part.isfinite().all() for part in (*trunk, positions))


@pytest.mark.parametrize(("residues", "ligand"), [(1, 0), (0, 1), (2, 0)])
def test_smallest_complexes(model, residues, ligand):
    _, trunk, positions, logits = outputs(model, complex_tensors(residues, ligand), [0])
    assert all(part.isfinite().all() for part in (*trunk, positions, *logits))


def test_work_shared_by_steps_and_samples(model):
    """Many samples on one preparation equal single samples, each prepared for itself, at any mix of noise levels."""
    batch = batch_of(model, collate([complex_tensors(7, seed=4), complex_tensors(4, seed=5)]))
    diffusion = model.network.diffusion
    with torch.no_grad():
        trunk = model.network(batch, 1)
        noisy = 20 * torch.randn(2, 4, *batch.atom_mask.shape[1:], 3)
        level = torch.tensor([[0.1, 3.0, 40.0, 900.0]]).expand(2, -1)
        shared = diffusion(diffusion.prepare(batch, *trunk), noisy, level)
        common = diffusion(diffusion.prepare(batch, *trunk), noisy, level[:, :1])
        for k in range(4):
            prepared = diffusion.prepare(batch, *trunk)
            torch.testing.assert_close(
                shared[:, k], diffusion(prepared, noisy[:, k : k + 1], level[:, k : k + 1])[:, 0], **CLOSE
            )
            torch.testing.assert_close(
                common[:, k], diffusion(prepared, noisy[:, k : k + 1], level[:, :1])[:, 0], **CLOSE
            )


def test_a_sample_does_not_depend_on_the_others(model):
    batch = batch_of(model, complex_tensors(6))
    with torch.no_grad():
        trunk = model.network(batch, 1)
        run = lambda seeds: list(model.network.sample(batch, *trunk, RandomDraws(batch.atom_mask, [seeds]), 4))[-1]  # noqa: E731
        three, one = run([1, 2, 3]), run([2])
    torch.testing.assert_close(three[:, 1:2], one, atol=1e-4, rtol=1e-4)
    assert (three[:, 0] - one[:, 0]).abs().max() > 0.1


def test_msa_rows_beyond_the_limit_keep_the_query(model):
    tensors = complex_tensors(5, rows=40)
    msa = batch_of(model, tensors).msa
    assert msa is not None
    chosen = model.network.trunk.msa.choose_rows(msa, torch.Generator().manual_seed(0))
    assert chosen.mask.shape[1] == model.config.msa.max_rows == 8
    torch.testing.assert_close(chosen.rows[:, 0], msa.rows[:, 0])


@pytest.mark.parametrize("budget", [1, 2000, 2**40])
def test_groups_of_rows_change_nothing(model, budget):
    tensors = collate([complex_tensors(7, seed=4), complex_tensors(4, seed=5)])
    expected = outputs(model, tensors, [1, 2])[1]
    with row_budget(budget):
        for ours, theirs in zip(outputs(model, tensors, [1, 2])[1], expected, strict=True):
            torch.testing.assert_close(ours, theirs, **CLOSE)


CHECKPOINTS = [f"checkpoint_{name}" for name in ("input_embedding", "trunk_pairformer", "distogram_head")]
CHECKPOINTS += ["checkpoint_confidence_head", "checkpoint_diffusion_module"]


def gradients(**options) -> dict[str, torch.Tensor | None]:
    torch.manual_seed(7)
    model = randomise(Alphafold3(**small_arguments(**options)), scale=0.3)
    for module in model.modules():
        if hasattr(module, "probability"):
            setattr(module, "probability", 0.0)  # noqa: B010
    tensors = collate([complex_tensors(7, seed=4), complex_tensors(4, seed=5)])
    loss = model(**tensors, num_recycling_steps=2, diffusion_add_bond_loss=True, diffusion_add_smooth_lddt_loss=True)
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_every_parameter_learns():
    without_gradient = [
        name for name, gradient in gradients().items() if gradient is None or not gradient.abs().max() > 0
    ]
    # A shift of all logits of a softmax row: these offsets cannot matter.
    assert all(name.endswith(("norm_pair.bias",)) for name in without_gradient), without_gradient


def test_recomputation_changes_nothing():
    plain, recomputed = gradients(), gradients(**dict.fromkeys(CHECKPOINTS, True))
    for name, gradient in plain.items():
        torch.testing.assert_close(recomputed[name], gradient, atol=1e-4, rtol=1e-3, msg=name)


def test_bfloat16_with_float32_islands(model):
    tensors = complex_tensors(8)
    _, exact, _, _ = outputs(model, tensors, [0])
    with torch.autocast("cpu", torch.bfloat16):
        _, rounded, positions, _ = outputs(model, tensors, [0])
    assert positions.isfinite().all() and positions.dtype == torch.float32
    for ours, theirs in zip(rounded, exact, strict=True):
        assert (ours.float() - theirs).abs().max() < 0.1 * theirs.std() + 0.1


def test_noise_schedule():
    levels = noise_schedule(Alphafold3(**small_arguments()).config.sampler, 200)
    tau = torch.linspace(0, 1, 201, dtype=torch.float64)
    expected = 16 * (160 ** (1 / 7) + tau * (4e-4 ** (1 / 7) - 160 ** (1 / 7))) ** 7
    torch.testing.assert_close(levels, expected)
    assert levels[0].item() == pytest.approx(2560) and levels[-1].item() == pytest.approx(0.0064)


@pytest.mark.parametrize("there", [[], [1], [0, 3], [0, 1, 2, 3]])
def test_empty_templates_are_computed_once(there):
    model = randomise(Alphafold3(**small_arguments(num_molecule_types=32)), scale=0.3).eval()
    tensors = complex_tensors(6, 2, seed=4)
    n, slots = tensors["molecule_ids"].shape[1], 4
    known = torch.zeros(1, slots, n, dtype=torch.bool)
    known[:, there] = True
    restype = torch.where(known, torch.randint(20, known.shape), torch.tensor([31, 31, 0, 31])[:, None])
    batch = batch_of(model, tensors)
    shapes = (1, slots, n, 3), (1, slots, n, 3, 3)
    beta, backbone = (torch.randn(shape) for shape in shapes)
    batch = replace(batch, templates=Templates(restype, beta, known, backbone, known))
    assert isinstance(batch.templates, Templates)
    computed = distinct_templates(batch.templates)
    assert len(computed) == len(there) + len({int(restype[0, i, 0]) for i in range(slots) if i not in there})
    assert sum(times for _, times in computed) == slots

    pair = torch.randn(1, n, n, model.config.dim_pair)
    trunk = model.network.trunk
    assert trunk.templates is not None
    each = []
    for i in range(slots):
        one = replace(batch, templates=map_tensors(batch.templates, lambda x, i=i: x[:, [i]]))
        each += list(trunk.template_features(one, pair.dtype))
    with torch.no_grad():
        expected = trunk.templates(pair, each)
        found = trunk.templates(pair, trunk.template_features(batch, pair.dtype))
    torch.testing.assert_close(found, expected, **CLOSE)
