"""Keeps a running average of a network's weights: steadier than the weights of the last step."""

from torch import nn

FIRST_STEPS = 10  # the average looks back over a tenth of all steps until it has reached its decay


class Average:
    """The exponential moving average of the weights of a network in training."""

    def __init__(self, net: nn.Module, *, decay: float) -> None:
        self._live = [one.detach() for one in net.parameters()]
        self._kept = [one.clone() for one in self._live]
        self._decay = decay
        self._steps = 0

    def update(self) -> None:
        """Take in the weights as they are now; call it once after every step."""
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + FIRST_STEPS))
        for kept, live in zip(self._kept, self._live, strict=True):
            kept.lerp_(live, 1.0 - decay)

    def swap(self) -> None:
        """Exchange the average and the network's weights; a second time brings them back."""
        for kept, live in zip(self._kept, self._live, strict=True):
            held = kept.clone()
            kept.copy_(live)
            live.copy_(held)
