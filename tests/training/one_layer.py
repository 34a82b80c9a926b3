"""A network of one convolution on the scenes, for what any network shows.

It is no mirror image of itself: what mirrors pictures changes what it says.
"""

from outtake.data.scenes import Scenes
from tests.small_run import SMALL

ONE_LAYER = (
    "model=custom",
    "model._target_=torch.nn.Conv2d",
    f"+model.out_channels={len(Scenes.labels.names)}",
    "+model.kernel_size=3",
    "+model.padding=1",
)

# The run that takes seconds, in less than one.
QUICK = (*SMALL, *ONE_LAYER)
