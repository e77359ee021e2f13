"""The flow-matching head: noises targets in training, samples them under guidance afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Generator, Tensor, nn

from diptych.errors import RequestError
from diptych.precision import at_least_float32
from diptych.seeds import noise as draw_noise
from diptych_heads.draws import normal_like, uniform
from diptych_heads.heads.branches import Branches, Guidance, refuse_guidance_without_effect
from diptych_heads.heads.request import check_request
from diptych_heads.mixing import Mixing, NoiseSchedule, moments
from diptych_heads.predictions import (
    Prediction,
    to_velocity,
    training_target,
    velocity_error_weight,
)
from diptych_heads.samplers.adams_moulton import AdamsMoultonSampler
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
        drop_text: float = 0.0,
        clean_latent: Literal["height", "width"] | None = None,
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
        self.drop_text, self.clean_latent = drop_text, clean_latent

    def loss(
        self,
        target: Tensor,
        condition: Tensor,
        mask: Tensor | None,
        generator: Generator,
        pictures: Tensor | None = None,
        clean: Tensor | None = None,
    ) -> Tensor:
        """Compute the mean squared error at one random time a sample.

        The condition of a random share of samples is zeroed before the network sees it; with
        `drop_text`, that of another share but for its pictures. Mixing and error are in float32 or
        higher, whatever the network computes in.

        Args:
            target: clean tokens `b n c`, row-major.
            condition: `b q condition_width`.
            mask: real tokens of the condition, bool `b q`, or None.
            generator: gives times, noise and drops, in this order.
            pictures: tokens of the condition that are pictures', bool `b q`.
            clean: with `clean_latent`, the target `b n c` of the picture that is changed.

        Returns:
            `b`.
        """
        target = at_least_float32(target)
        t = self.timesteps.draw(len(target), generator).to(target)
        noise = normal_like(target, generator)
        kept = self.dropped(condition, generator, pictures)
        return self.loss_at(t, noise, target, kept, mask, clean)

    def loss_at(
        self,
        t: Tensor,
        noise: Tensor,
        target: Tensor,
        condition: Tensor,
        mask: Tensor | None,
        clean: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss at given times `b` and noise `b n c`; what a compiler can trace whole.

        Args:
            t: times in [0, 1].
            noise: standard normal numbers, as the target.
            target: clean tokens `b n c`, in float32 or higher.
            condition: `b q condition_width`, perhaps dropped.
            mask: real tokens of the condition, bool `b q`, or None.
            clean: what is put beside the noisy target, `b n c`.

        Returns:
            `b`.
        """
        mixing = Mixing.at(self.noise_schedule, t, dims=target.ndim)
        context = self.network.prepare(condition.to(self._dtype(condition)), mask)
        predicted = self._predict(mixing.mix(target, noise), t, context, clean)
        error = (predicted - training_target(self.prediction, target, noise, mixing)).square()
        weight = self.error_weight(mixing)
        return (error if weight is None else error * weight).mean(dim=(1, 2))

    def error_weight(self, mixing: Mixing) -> Tensor | None:
        """Return what squared errors are multiplied by; None for nothing."""
        if self.loss_on == "velocity":
            return velocity_error_weight(self.prediction, mixing)
        return None

    def dropped(
        self, condition: Tensor, generator: Generator, pictures: Tensor | None = None
    ) -> Tensor:
        """Zero the condition `b q d` of a random share of samples, and the text of another share.

        Raises:
            RequestError: if text is to be dropped, and nobody says which tokens are `pictures`'.
        """
        if not self.drop_condition and not self.drop_text:
            return condition
        drawn = uniform(len(condition), generator, like=at_least_float32(condition))[:, None, None]
        kept = drawn >= self.drop_condition
        if self.drop_text:
            if pictures is None:
                raise RequestError(
                    "`drop_text` keeps the pictures of a condition, and no token of this one is a "
                    "picture's; leave it out, or add a condition of type `reference-features`"
                )
            worded = drawn >= self.drop_condition + self.drop_text
            kept = kept & (worded | pictures[..., None])
        return condition * kept.to(condition.dtype)

    @torch.no_grad()
    def sample(
        self,
        condition: Tensor,
        mask: Tensor | None,
        generators: Sequence[Generator],
        sampler: Sampler | None = None,
        guidance: Guidance | None = None,
        null: tuple[Tensor, Tensor] | None = None,
        pictures: Tensor | None = None,
        clean: Tensor | None = None,
    ) -> Tensor:
        """Make targets; sample i depends only on its own condition and generator.

        Where guidance asks for the null prediction (the condition zeroed, under the same mask),
        both predictions are one call of the network on twice the batch; elsewhere the null branch
        is not computed. One that tells pictures from text may ask for a third.

        Raises:
            RequestError: if there are no samples, or not as many generators, masks and negative
                prompts; if there is guidance, but a condition is the null condition; if there are
                negative prompts, but no guidance; if guidance needs `pictures`, or `clean_latent`
                needs `clean`, and there are none.

        Args:
            condition: `b q condition_width`.
            mask: real tokens of the condition, bool `b q`, or None.
            generators: one a sample.
            sampler: `abm` with 10 steps by default.
            guidance: none by default.
            null: condition `b k condition_width` and mask `b k` of negative prompts, which stand
                in the place of the null condition; as many tokens as the condition has.
            pictures: tokens of the condition that are pictures', bool `b q`.
            clean: with `clean_latent`, the target `b n c` of the picture that is changed.

        Returns:
            Tokens `b n c` in float32, or float64 where the condition is; under `narrow_state` in
            the network's type.
        """
        check_request(condition, mask, generators, null)
        channels, height, width = self.target_shape
        state = at_least_float32(condition).new_empty(0)
        if self.narrow_state:
            state = state.to(self._dtype(condition))
        noise = draw_noise((height * width, channels), generators, like=state)
        refuse_guidance_without_effect(
            guidance, condition, self.drop_condition, null, self.drop_text
        )
        own = condition.to(self._dtype(condition))
        branches = Branches(self.network, own, mask, guidance, null, pictures)

        def velocity(x: Tensor, t: float) -> Tensor:
            def run(x: Tensor, context: Any) -> Tensor:
                moment = moments(t, len(x), like=x)
                predicted = self._predict(x, moment, context, clean)
                mixing = Mixing.at(self.noise_schedule, moment, dims=x.ndim)
                return to_velocity(self.prediction, predicted, x, mixing).to(x.dtype)

            return branches.velocity(x, t, run)

        def fresh() -> Tensor:
            return draw_noise((height * width, channels), generators, like=state)

        flow = Flow(velocity, self.noise_schedule, fresh)
        made = (sampler or AdamsMoultonSampler()).sample(flow, noise)
        branches.warn_if_idle()
        return made

    def _predict(self, x: Tensor, t: Tensor, context: Any, clean: Tensor | None) -> Tensor:
        """Run the network on tokens `b n c` in its own dtype; the answer is in x's.

        With `clean_latent` it sees clean tokens, `b n c` or those of a part of the batch, which is
        then repeated, behind the noisy ones along that axis, and only its answer for the noisy ones
        is taken.
        """
        image = self._image(x)
        if self.clean_latent is not None:
            image = torch.cat([image, self._beside(x, clean)], self._axis)
        predicted = self.network(image.to(self._dtype(x)), t, context)
        if self.clean_latent is not None:
            predicted = predicted.narrow(self._axis, 0, self.target_shape[self._axis - 1])
        return predicted.flatten(2).transpose(1, 2).to(x.dtype)

    def _beside(self, x: Tensor, clean: Tensor | None) -> Tensor:
        if clean is None:
            raise RequestError(
                "this head paints beside the clean target of the picture that is changed "
                "(`clean_latent`), and was given none"
            )
        return self._image(clean.to(x).repeat(len(x) // len(clean), 1, 1))

    def _image(self, tokens: Tensor) -> Tensor:
        return tokens.transpose(1, 2).reshape(len(tokens), *self.target_shape)

    @property
    def _axis(self) -> int:
        return 2 if self.clean_latent == "height" else 3

    def _dtype(self, otherwise: Tensor) -> torch.dtype:
        return next((each.dtype for each in self.network.parameters()), otherwise.dtype)
