import pytest
import torch
from attrs import evolve
from head_cases.small import normal, shaken

from diptych.errors import SpecError
from diptych_heads.decoders.feature_scale import FeatureScale, add_noise
from diptych_heads.decoders.pixel_loss import PixelLoss
from diptych_heads.decoders.specs import ConvPixels, PatchMlp


SIZES = {"channels": 5, "height": 2, "width": 2}
DECODERS = {
    "conv-pixels": ConvPixels(widths=(16, 12, 8), blocks=(1, 1, 0), pixel_patch=2, **SIZES),
    "patch-mlp": PatchMlp(pixel_patch=8, hidden_width=32, **SIZES),
}
each_decoder = pytest.mark.parametrize("name", DECODERS)


@each_decoder
def test_shapes_and_range(name):
    spec = DECODERS[name]
    assert spec.image_size == 16
    decoder = shaken(spec.build())
    drawn = decoder(50 * normal(3, 4, 5))
    assert drawn.shape == (3, 3, 16, 16)
    assert drawn.abs().max() <= 1


@each_decoder
def test_size_follows_from_the_grid(name):
    assert evolve(DECODERS[name], height=None).image_size is None
    assert evolve(DECODERS[name], height=4, width=4).image_size == 32


@each_decoder
def test_pictures_are_square(name):
    with pytest.raises(SpecError, match="2 x 3"):
        evolve(DECODERS[name], width=3).build()


@each_decoder
def test_rows_come_first(name):
    """A change of the token at row 0, column 3 of 4 shows at the upper right."""
    torch.manual_seed(0)
    decoder = evolve(DECODERS[name], height=4, width=4).build()
    features = 0.1 * normal(1, 16, 5)
    other = features.clone()
    other[0, 3] += 0.5
    change = (decoder(other) - decoder(features)).abs().sum(dim=1)[0]
    quarters = change.unfold(0, 16, 16).unfold(1, 16, 16).sum(dim=(2, 3))
    assert quarters[0, 1] > 0.8 * quarters.sum()


@each_decoder
def test_loss_is_one_number_a_sample(name, generator):
    decoder = shaken(evolve(DECODERS[name], edges=0.5, noise=0.2).build())
    loss = decoder.loss(normal(3, 4, 5), normal(3, 3, 16, 16).clamp(-1, 1), generator)
    assert loss.shape == (3,)
    loss.mean().backward()
    for key, parameter in decoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


@each_decoder
def test_evaluation_leaves_statistics_and_features_alone(name, generator):
    decoder = shaken(evolve(DECODERS[name], noise=0.5).build()).eval()
    before = {key: value.clone() for key, value in decoder.state_dict().items()}
    features, pixels = normal(3, 4, 5) + 4, normal(3, 3, 16, 16).clamp(-1, 1)
    losses = [decoder.loss(features, pixels, generator) for _ in range(2)]
    assert torch.equal(*losses)
    assert all(torch.equal(before[key], value) for key, value in decoder.state_dict().items())
    alone = decoder.loss(features[1:2], pixels[1:2], generator)
    torch.testing.assert_close(losses[0][1:2], alone)


@each_decoder
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_features_take_the_decoders_dtype(name, dtype):
    decoder = DECODERS[name].build().to(dtype)
    assert decoder(normal(2, 4, 5)).dtype == dtype


@each_decoder
def test_gradients_past_the_range_still_teach(name, generator):
    """Training does not clamp: a picture that is too bright is pulled back."""
    decoder = DECODERS[name].build()
    last = decoder.to_pixels
    with torch.no_grad():
        last.bias.fill_(5.0)
    decoder.loss(normal(2, 4, 5), torch.zeros(2, 3, 16, 16), generator).mean().backward()
    assert (last.bias.grad > 0).all()


@each_decoder
def test_learns_to_draw(name, generator):
    torch.manual_seed(0)
    spec = DECODERS[name]
    decoder = spec.build()
    features, pixels = 3 * normal(6, 4, 5) + 2, torch.ones(6, 3, 16, 16)
    for index in range(6):
        pixels[index, index % 3, 2 + index : 10 + index, 3:9] = -1
    optimiser = torch.optim.Adam(decoder.parameters(), 5e-3)
    for _ in range(150 if name == "conv-pixels" else 400):
        loss = decoder.loss(features, pixels, generator).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (decoder(features) - pixels).abs().mean() < 0.08


@each_decoder
def test_statistics_are_saved(name, generator, tmp_path):
    decoder, other = DECODERS[name].build(), DECODERS[name].build()
    decoder.loss(7 * normal(3, 4, 5) + 1, torch.zeros(3, 3, 16, 16), generator)
    other.load_state_dict(decoder.state_dict())
    features = normal(2, 4, 5)
    assert torch.equal(decoder(features), other(features))


@each_decoder
def test_built_on_meta(name):
    with torch.device("meta"):
        decoder = DECODERS[name].build()
    assert decoder(torch.empty(2, 4, 5, device="meta")).shape == (2, 3, 16, 16)


@each_decoder
def test_autocast(name, generator):
    decoder = DECODERS[name].build()
    with torch.autocast("cpu", torch.bfloat16):
        loss = decoder.loss(normal(3, 4, 5), torch.zeros(3, 3, 16, 16), generator)
    assert loss.dtype == torch.float32
    loss.mean().backward()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": (8, 8), "blocks": (1,)}, "2 levels and blocks 1"),
        ({"widths": (), "blocks": ()}, "at least one level"),
        ({"widths": (0,), "blocks": (1,)}, "at least 1"),
        ({"widths": (8,), "blocks": (1,), "l1": -1.0}, "l1"),
    ],
)
def test_impossible_levels(fields, message):
    with pytest.raises(ValueError, match=message):
        ConvPixels(pixel_patch=2, **fields)


def test_preset():
    spec = ConvPixels.preset("x16", channels=8, height=4, width=4)
    assert spec.image_size == 64


def test_pixel_loss_terms():
    drawn, pixels = normal(2, 3, 5, 6), normal(2, 3, 5, 6, seed=1)
    error = drawn - pixels
    parts = {
        "l1": error.abs().mean(dim=(1, 2, 3)),
        "mse": error.square().mean(dim=(1, 2, 3)),
        "edges": (
            error.diff(dim=2).abs().mean(dim=(1, 2, 3))
            + error.diff(dim=3).abs().mean(dim=(1, 2, 3))
        )
        / 2,
    }
    for name, wanted in parts.items():
        only = PixelLoss(**{**dict.fromkeys(parts, 0.0), name: 1.0})
        torch.testing.assert_close(only(drawn, pixels), wanted)
    mixed = PixelLoss(0.5, 2.0, 3.0)(drawn, pixels)
    torch.testing.assert_close(mixed, 0.5 * parts["l1"] + 2 * parts["mse"] + 3 * parts["edges"])


def test_running_statistics_are_those_of_all_batches():
    scale, batches = FeatureScale(5), [2 * normal(4, 6, 5, seed=i) + i for i in range(20)]
    for each in batches:
        scale.update(each)
    seen = torch.cat(batches).flatten(0, 1)
    torch.testing.assert_close(scale.mean, seen.mean(dim=0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        scale.variance, seen.var(dim=0, unbiased=False), atol=1e-3, rtol=1e-3
    )
    normalised = scale(torch.cat(batches)).flatten(0, 1)
    torch.testing.assert_close(normalised.std(dim=0), torch.ones(5), atol=0.01, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_statistics_are_not_rounded_in_half_precision(dtype):
    scale, features = FeatureScale(3), normal(64, 4, 3) * torch.tensor([0.0, 1.0, 400.0])
    scale.update(features)
    short = features.to(dtype)
    wide = scale(short.float())
    scale.to(dtype)
    assert scale.mean.dtype == scale.variance.dtype == torch.float32
    assert scale(short).dtype == dtype
    torch.testing.assert_close(scale(short), wide.to(dtype), atol=0, rtol=0)
    assert wide[..., 2].std().item() == pytest.approx(1, abs=0.02)
    assert scale.double().variance.dtype == torch.float64


def test_noise_has_half_normal_strengths(generator):
    noised = add_noise(torch.zeros(4000, 2, 50), 0.3, generator)
    strengths = noised.flatten(1).std(dim=1)
    assert strengths.square().mean().sqrt() == pytest.approx(0.3, rel=0.05)
    assert (strengths < 0.1).float().mean() == pytest.approx(0.26, abs=0.03)
    features = normal(2, 3, 4)
    assert add_noise(features, 0.0, generator) is features
