"""The flow-matching head: noises targets in training, samples them under guidance afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Generator, Tensor, nn

from diptych.seeds import noise as draw_noise
from diptych_heads.draws import at_least_float32, normal_like, uniform
from diptych_heads.mixing import Mixing, NoiseSchedule
from diptych_heads.predictions import (
    Prediction,
    to_velocity,
    training_target,
    velocity_error_weight,
)
from diptych_heads.samplers.euler import EulerSampler
from diptych_heads.samplers.flow import Flow


class Timesteps(Protocol):
    """What a built timestep drawing offers."""

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw times in [0, 1]."""
        ...


class Sampler(Protocol):
    """What a built sampler offers."""

    def sample(self, velocity: Callable[[Tensor, float], Tensor], noise: Tensor) -> Tensor:
        """Integrate a velocity from t = 1 to 0."""
        ...


class Guidance(Protocol):
    """What a built guidance offers."""

    def needs_null(self, t: float) -> bool:
        """Say whether `combine` uses the null prediction at time t."""
        ...

    def combine(self, conditional: Tensor, null: Tensor | None, t: float) -> Tensor:
        """Combine both predictions."""
        ...


class FlowMatchingHead(nn.Module):
    """Flow matching over any network and noise schedule.

    Lipman et al., arXiv 2210.02747; over general schedules, SiT, arXiv 2401.08740.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        noise_schedule: NoiseSchedule,
        timesteps: Timesteps,
        prediction: Prediction,
        loss_on: Literal["prediction", "velocity"],
        drop_condition: float,
        target_shape: tuple[int, int, int],
        narrow_state: bool = False,
    ) -> None:
        """Put the pieces together; `target_shape` is (channels, height, width)."""
        super().__init__()
        self.network: Any = network
        self.noise_schedule = noise_schedule
        self.timesteps = timesteps
        self.prediction: Prediction = prediction
        self.loss_on = loss_on
        self.drop_condition = drop_condition
        self.target_shape = target_shape
        self.narrow_state = narrow_state

    def loss(
        self, target: Tensor, condition: Tensor, mask: Tensor | None, generator: Generator
    ) -> Tensor:
        """Compute the mean squared error at one random time a sample.

        The condition of a random share of samples is zeroed before the network sees it. Mixing and
        error are in float32 or higher, whatever the network computes in.

        Args:
            target: clean tokens `b n c`, row-major.
            condition: `b q condition_width`.
            mask: real tokens of the condition, bool `b q`, or None.
            generator: gives times, noise and drops, in this order.

        Returns:
            `b`.
        """
        target = at_least_float32(target)
        t = self.timesteps.draw(len(target), generator).to(target)
        noise = normal_like(target, generator)
        condition = self.dropped(condition, generator)
        mixing = Mixing.at(self.noise_schedule, t, dims=target.ndim)
        context = self.network.prepare(condition.to(self._dtype(condition)), mask)
        predicted = self._predict(mixing.mix(target, noise), t, context)
        error = (predicted - training_target(self.prediction, target, noise, mixing)).square()
        if self.loss_on == "velocity":
            error = error * velocity_error_weight(self.prediction, mixing)
        return error.mean(dim=(1, 2))

    def dropped(self, condition: Tensor, generator: Generator) -> Tensor:
        """Zero the whole condition `b q d` of a random share of samples."""
        if not self.drop_condition:
            return condition
        drawn = uniform(len(condition), generator, like=at_least_float32(condition))
        return condition * (drawn >= self.drop_condition)[:, None, None].to(condition.dtype)

    @torch.no_grad()
    def sample(
        self,
        condition: Tensor,
        mask: Tensor | None,
        generators: Sequence[Generator],
        sampler: Sampler | None = None,
        guidance: Guidance | None = None,
    ) -> Tensor:
        """Make targets; sample i depends only on its own condition and generator.

        Where guidance asks for the null prediction (the condition zeroed, under the same mask),
        both predictions are one call of the network on twice the batch; elsewhere the null branch
        is not computed.

        Args:
            condition: `b q condition_width`.
            mask: real tokens of the condition, bool `b q`, or None.
            generators: one a sample.
            sampler: Euler with 30 steps by default.
            guidance: none by default.

        Returns:
            Tokens `b n c` in float32, or float64 where the condition is; under `narrow_state` in
            the network's type.
        """
        channels, height, width = self.target_shape
        state = at_least_float32(condition).new_empty(0)
        if self.narrow_state:
            state = state.to(self._dtype(condition))
        noise = draw_noise((height * width, channels), generators, like=state)
        context = self.network.prepare(condition.to(self._dtype(condition)), mask)
        guided: Any = None

        def context_of(with_null: bool) -> Any:
            nonlocal guided
            if with_null and guided is None:
                guided = self._with_null(context, condition, mask)
            return guided if with_null else context

        def velocity(x: Tensor, t: float) -> Tensor:
            with_null = guidance is not None and guidance.needs_null(t)
            own = torch.cat([x, x]) if with_null else x
            moment = own.new_full((len(own),), t)
            predicted = self._predict(own, moment, context_of(with_null))
            mixing = Mixing.at(self.noise_schedule, moment, dims=own.ndim)
            found = to_velocity(self.prediction, predicted, own, mixing)
            if guidance is None or not with_null:
                return found
            conditional, null = found.chunk(2)
            return guidance.combine(conditional, null, t)

        def fresh() -> Tensor:
            return draw_noise((height * width, channels), generators, like=state)

        flow = Flow(velocity, self.noise_schedule, fresh)
        return (sampler or EulerSampler()).sample(flow, noise)

    def _with_null(self, context: Any, condition: Tensor, mask: Tensor | None) -> Any:
        """Prepare for twice the batch: the samples as they are, then under the null condition."""
        if hasattr(self.network, "with_null"):
            return self.network.with_null(context, len(condition))
        both = torch.cat([condition, torch.zeros_like(condition)])
        masks = None if mask is None else torch.cat([mask, mask])
        return self.network.prepare(both.to(self._dtype(both)), masks)

    def _predict(self, x: Tensor, t: Tensor, context: Any) -> Tensor:
        """Run the network on tokens `b n c` in its own dtype; the answer is in x's."""
        channels, height, width = self.target_shape
        image = x.transpose(1, 2).reshape(len(x), channels, height, width)
        predicted = self.network(image.to(self._dtype(x)), t, context)
        return predicted.flatten(2).transpose(1, 2).to(x.dtype)

    def _dtype(self, otherwise: Tensor) -> torch.dtype:
        return next((each.dtype for each in self.network.parameters()), otherwise.dtype)
