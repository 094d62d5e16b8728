"""Rigid motions of points: random ones (AF3 Algorithm 19), best fits (Algorithm 28) and frames (Algorithms 29, 30).

Positions are in Å. Results are float32, or float64 where the input is. Nothing here is written as a matrix product:
autocast and TF32 round those, and a coordinate of 100 Å would lose the second digit after the point.
"""

from collections.abc import Iterator

import torch
from torch import nn

from alphafold3_pytorch.shapes import Bool, Float, Tensor

ALIGNMENT_EPS = 1e-8  # Å², under the root of Algorithm 30


def widen(x: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def row_chunks(rows: int, row_size: int, budget: int = 2**21) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive groups of rows, each group of at most `budget` numbers (one row at the least)."""
    step = max(1, budget // max(1, row_size))
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def rotate(coords: Float[Tensor, "*#b m 3"], rotation: Float[Tensor, "*#b 3 3"]) -> Float[Tensor, "... m 3"]:
    """R x for each of the m points."""
    return (rotation.unsqueeze(-3) * coords.unsqueeze(-2)).sum(-1)


# Random motions


def rotation_from_quaternion(quaternion: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation of a quaternion (real part first) of any length but zero."""
    w, x, y, z = quaternion.unbind(-1)
    entries = (
        *(w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z),
    )
    square = quaternion.square().sum(-1)[..., None]
    return (torch.stack(entries, dim=-1) / square).unflatten(-1, (3, 3))


def random_normal(
    shape: tuple[int, ...],
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Standard normal numbers, drawn where the generator lives: a seed gives the same numbers on every `device`."""
    source = generator.device if generator is not None else device
    return torch.randn(shape, generator=generator, device=source, dtype=dtype).to(device)


def random_rotation(
    shape: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "... 3 3"]:
    """Rotations drawn uniformly from SO(3): the direction of four normals is a uniform unit quaternion."""
    return rotation_from_quaternion(random_normal((*shape, 4), generator, device, dtype))


def masked_centre(coords: Float[Tensor, "*b m 3"], mask: Bool[Tensor, "*#b m"] | None) -> Float[Tensor, "*b 1 3"]:
    """The mean of the points in the mask; the origin if there are none."""
    if mask is None:
        return coords.mean(dim=-2, keepdim=True)
    weight = mask[..., None].to(coords.dtype)
    return (coords * weight).sum(-2, keepdim=True) / weight.sum(-2, keepdim=True).clamp_min(1.0)


class CentreRandomAugmentation(nn.Module):
    """AF3 Algorithm 19: centre each set of points, rotate it at random, move it by N(0, `trans_scale` Å)."""

    def __init__(self, trans_scale: float = 1.0):
        super().__init__()
        self.trans_scale = trans_scale

    def forward(
        self,
        coords: Float[Tensor, "*b m 3"],
        mask: Bool[Tensor, "*#b m"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*b m 3"]:
        """One motion for every leading index; points outside the mask neither count for the centre nor come out (0)."""
        x = _present(widen(coords), mask)
        lead = tuple(x.shape[:-2])
        rotation = random_rotation(lead, generator, x.device, x.dtype)
        shift = self.trans_scale * random_normal((*lead, 1, 3), generator, x.device, x.dtype)
        return _present(rotate(x - masked_centre(x, mask), rotation) + shift, mask)


def _present(coords: Tensor, mask: Tensor | None) -> Tensor:
    """Zero, not NaN times zero, outside the mask."""
    return coords if mask is None else torch.where(mask[..., None], coords, coords.new_zeros(()))


# Best fit


def fit_rotation(covariance: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """The proper rotation R that maximises trace(R^T covariance); the identity where the covariance says nothing."""
    identity = torch.eye(3, dtype=covariance.dtype, device=covariance.device)
    known = covariance.isfinite().flatten(-2).all(-1) & covariance.ne(0).flatten(-2).any(-1)
    left, _, right = torch.linalg.svd(torch.where(known[..., None, None], covariance, identity))
    last = torch.linalg.det(left) * torch.linalg.det(right)
    signs = torch.stack([torch.ones_like(last), torch.ones_like(last), last.sign()], dim=-1)
    return ((left * signs.unsqueeze(-2)).unsqueeze(-1) * right.unsqueeze(-3)).sum(-2)


@torch.no_grad()
def fit_rigid(
    mobile: Float[Tensor, "*#b m 3"], target: Float[Tensor, "*#b m 3"], weights: Float[Tensor, "*#b m"]
) -> tuple[Float[Tensor, "... 3 3"], Float[Tensor, "... 1 3"]]:
    """Rotation R and translation t for which `rotate(mobile, R) + t` is nearest to `target` in weighted mean square.

    Computed in float64 where the device has it. Always finite for finite input: with fewer than three points, points on
    a line or no weight at all, one of the equally good rotations.
    """
    wide = torch.float32 if mobile.device.type == "mps" else torch.float64
    mobile, target, weight = mobile.to(wide), target.to(wide), weights.to(wide).unsqueeze(-1)
    weight = weight / weight.sum(-2, keepdim=True).clamp_min(1e-12)
    centre_mobile, centre_target = (weight * mobile).sum(-2, keepdim=True), (weight * target).sum(-2, keepdim=True)
    outer = (weight * (target - centre_target)).unsqueeze(-1) * (mobile - centre_mobile).unsqueeze(-2)
    rotation = fit_rotation(outer.sum(-3))
    return rotation, centre_target - rotate(centre_mobile, rotation)


@torch.no_grad()
def weighted_rigid_align(
    mobile: Float[Tensor, "*#b m 3"],
    target: Float[Tensor, "*#b m 3"],
    weights: Float[Tensor, "*#b m"] | None = None,
    mask: Bool[Tensor, "*#b m"] | None = None,
) -> Float[Tensor, "... m 3"]:
    """AF3 Algorithm 28: `mobile` moved onto `target` without reflection, outside the graph of gradients.

    `weights` say which points count for the fit (default: all alike), `mask` which exist: the others come out as 0.
    """
    mobile, target = _present(widen(mobile), mask), _present(widen(target), mask)
    weights = mobile.new_ones(mobile.shape[:-1]) if weights is None else weights
    if mask is not None:
        weights = torch.where(mask, weights, weights.new_zeros(()))
    rotation, translation = fit_rigid(mobile, target, weights)
    moved = rotate(mobile.to(rotation.dtype), rotation) + translation
    return _present(moved.to(torch.result_type(mobile, target)), mask)


class WeightedRigidAlign(nn.Module):
    """AF3 Algorithm 28, as the diffusion loss uses it: the truth is brought to the prediction.

    `forward(pred_coords, true_coords)` returns `true_coords` moved onto `pred_coords`, without gradient.
    """

    def forward(
        self,
        pred_coords: Float[Tensor, "*#b m 3"],
        true_coords: Float[Tensor, "*#b m 3"],
        weights: Float[Tensor, "*#b m"] | None = None,
        mask: Bool[Tensor, "*#b m"] | None = None,
    ) -> Float[Tensor, "... m 3"]:
        return weighted_rigid_align(true_coords, pred_coords, weights, mask)


# Frames


def unit(vector: Float[Tensor, "*b 3"], eps: float = 1e-12) -> Float[Tensor, "*b 3"]:
    """The vector at length 1; `eps` (Å²) keeps the zero vector, and its gradient, finite."""
    return vector * vector.square().sum(-1, keepdim=True).clamp_min(eps).rsqrt()


def rigid_from_3_points(points: Float[Tensor, "*b 3 3"]) -> tuple[Float[Tensor, "*b 3 3"], Float[Tensor, "*b 3"]]:
    """AF2 Algorithm 21: rotation (axes as columns) and origin of the frame of three points, one per row.

    The second point is the origin, the third lies on the positive x axis, the first in the upper half of the xy plane.
    """
    first, origin, third = widen(points).unbind(-2)
    x = unit(third - origin)
    arm = first - origin
    y = unit(arm - x * (x * arm).sum(-1, keepdim=True))
    return torch.stack([x, y, torch.linalg.cross(x, y, dim=-1)], dim=-1), origin


Points = Float[Tensor, "*b 3 3"] | tuple[Float[Tensor, "*b 3"], Float[Tensor, "*b 3"], Float[Tensor, "*b 3"]]


class RigidFrom3Points(nn.Module):
    """AF2 Algorithm 21 (`rigid_from_3_points`) on a tensor with one point per row, or on a tuple of three tensors."""

    def forward(self, three_points: Points) -> tuple[Float[Tensor, "*b 3 3"], Float[Tensor, "*b 3"]]:
        return rigid_from_3_points(
            three_points if isinstance(three_points, Tensor) else torch.stack(three_points, dim=-2)
        )


class RigidFromReference3Points(RigidFrom3Points):
    """The motion x -> R x + t that carries a reference residue onto three points given as to `RigidFrom3Points`.

    The reference has its second point at the origin, the third on the positive x axis and the first in the upper half
    of the xy plane; so R and t are the frame itself, and R^T (point - t) are the three reference positions.
    """


def frame_axes(frame: Float[Tensor, "*b 3 3"]) -> tuple[Float[Tensor, "*b 3 3"], Float[Tensor, "*b 3"]]:
    """AF3 Algorithm 29, lines 1-6: axes (as rows) and origin of three atoms a, b, c, one per row.

    The origin is b, the x axis halves the angle abc and the y axis points from a to c.
    """
    a, b, c = widen(frame).unbind(-2)
    to_a, to_c = unit(a - b), unit(c - b)
    x, y = unit(to_a + to_c), unit(to_c - to_a)
    return torch.stack([x, y, torch.linalg.cross(x, y, dim=-1)], dim=-2), b


def express_in_frame(coords: Float[Tensor, "*#b 3"], frame: Float[Tensor, "*#b 3 3"]) -> Float[Tensor, "... 3"]:
    """AF3 Algorithm 29: each position in the frame of the three atoms that stand at the same index."""
    axes, origin = frame_axes(frame)
    return (axes * (widen(coords) - origin).unsqueeze(-2)).sum(-1)


class ExpressCoordinatesInFrame(nn.Module):
    """AF3 Algorithm 29. A frame is three atoms, one per row, with the middle one as origin."""

    def forward(
        self,
        coords: Float[Tensor, "b n 3"],
        frame: Float[Tensor, "b n 3 3"] | Float[Tensor, "b 3 3"] | Float[Tensor, "3 3"],
    ) -> Float[Tensor, "b n 3"]:
        """`frame` may be one for every position, one for each example, or one for all."""
        return express_in_frame(coords, frame.unsqueeze(-3) if frame.ndim == 3 else frame)


class ComputeAlignmentError(nn.Module):
    """AF3 Algorithm 30: how far position j is off when seen from frame i, in Å."""

    def __init__(self, eps: float = ALIGNMENT_EPS, budget: int = 2**21):
        super().__init__()
        self.eps, self.budget = eps, budget

    def forward(
        self,
        pred_coords: Float[Tensor, "b n 3"],
        true_coords: Float[Tensor, "b n 3"],
        pred_frames: Float[Tensor, "b n 3 3"],
        true_frames: Float[Tensor, "b n 3 3"],
        mask: Bool[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, "b n n"]:
        """Rows are frames, columns positions; 0 where either is outside the mask. `budget` bounds the memory."""
        pred, true = _present(widen(pred_coords), mask), _present(widen(true_coords), mask)
        b, n, _ = pred.shape
        if mask is not None:
            pred_frames, true_frames = (_present(frames, mask[..., None]) for frames in (pred_frames, true_frames))
        rows = row_chunks(n, 9 * b * n, self.budget)
        error = torch.cat([self._rows(pred, true, pred_frames[:, i:j], true_frames[:, i:j]) for i, j in rows], dim=1)
        if mask is None:
            return error
        return torch.where(mask[:, :, None] & mask[:, None, :], error, error.new_zeros(()))

    def _rows(self, pred: Tensor, true: Tensor, pred_frames: Tensor, true_frames: Tensor) -> Tensor:
        seen = express_in_frame(pred.unsqueeze(1), pred_frames.unsqueeze(2))
        truth = express_in_frame(true.unsqueeze(1), true_frames.unsqueeze(2))
        return ((seen - truth).square().sum(-1) + self.eps).sqrt()
