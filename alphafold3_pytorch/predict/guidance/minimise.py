"""L-BFGS (Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5) with steps of limited length."""

from collections import deque
from collections.abc import Callable

import torch

from alphafold3_pytorch.shapes import Bool, Float, Tensor

REACH, FIRST = 0.5, 0.05  # of the radius: how far an atom may move in one iteration, and along a bare gradient
MEMORY = 12  # iterations whose curvature is remembered
SMALLEST = 1e-3  # Å: an iteration that moves no atom further has found the minimum
SHORTER, TRIES = 0.3, 8  # of a step that does not lead downhill
ENOUGH = 1e-4  # of the decrease that the gradient promises

Energy = Callable[[Tensor], Tensor]
State = tuple[Tensor, Tensor, Tensor]  # positions, their energy and its gradient
Memory = deque[tuple[Tensor, Tensor]]  # steps, and how the gradient changed along them


def minimise(
    energy: Energy, x: Float[Tensor, "m 3"], movable: Bool[Tensor, "m"], iterations: int, radius: float
) -> Float[Tensor, "m 3"]:
    """Positions of less energy, until nothing moves any more or an atom has moved by `radius` (Å)."""
    state, memory = evaluated(energy, x, movable), Memory(maxlen=MEMORY)
    for _ in range(iterations):
        found = downhill(energy, state, memory, movable, radius)
        if found is None and not memory:
            break
        if found is None:
            memory.clear()
            continue
        step, change = found[0] - state[0], found[2] - state[2]
        if (change * step).sum() > 0:
            memory.append((step, change))
        state = found
        if farthest(step) < SMALLEST or farthest(state[0] - x) > radius:
            break
    return state[0]


def downhill(energy: Energy, state: State, memory: Memory, movable: Bool[Tensor, "m"], radius: float) -> State | None:
    """One step, shortened until it leads downhill; None if it never does."""
    x, value, slope = state
    step = -newton(slope, memory)
    longest = farthest(step)
    step = step * (
        radius * REACH / longest.clamp(min=radius * REACH) if memory else radius * FIRST / longest.clamp(min=1e-9)
    )
    for _ in range(TRIES):
        found = evaluated(energy, x + step, movable)
        if found[1] <= value + ENOUGH * (slope * step).sum():
            return found
        step = step * SHORTER
    return None


def evaluated(energy: Energy, x: Float[Tensor, "m 3"], movable: Bool[Tensor, "m"]) -> State:
    """Energy and gradient; atoms that may not move have none."""
    x = x.detach().requires_grad_()
    value = energy(x)
    (slope,) = torch.autograd.grad(value, x)
    return x.detach(), value.detach(), slope * movable[:, None]


def newton(slope: Float[Tensor, "m 3"], memory: Memory) -> Float[Tensor, "m 3"]:
    """The gradient times the inverse curvature that the last steps have shown."""
    found, weights = slope, []
    for step, change in reversed(memory):
        weights.append((step * found).sum() / (step * change).sum())
        found = found - weights[-1] * change
    if memory:
        step, change = memory[-1]
        found = found * ((step * change).sum() / change.square().sum())
    for (step, change), weight in zip(memory, reversed(weights), strict=True):
        found = found + step * (weight - (change * found).sum() / (step * change).sum())
    return found


def farthest(vectors: Float[Tensor, "m 3"]) -> Float[Tensor, ""]:
    return vectors.norm(dim=-1).max()
