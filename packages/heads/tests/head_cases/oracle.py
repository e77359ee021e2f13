"""A network that knows the answer."""

from torch import nn

from diptych_heads.mixing import Mixing
from diptych_heads.predictions import training_target


class Oracle(nn.Module):
    """Knows the clean target, and predicts what is asked for from it."""

    def __init__(self, clean, schedule, kind):
        super().__init__()
        self.clean, self.schedule, self.kind = clean, schedule, kind

    def prepare(self, condition, mask):
        return None

    def forward(self, x, t, context):
        mixing = Mixing.at(self.schedule, t, dims=4)
        noise = (x - mixing.alpha * self.clean) / mixing.sigma.clamp(min=1e-9)
        return training_target(self.kind, self.clean, noise, mixing)
