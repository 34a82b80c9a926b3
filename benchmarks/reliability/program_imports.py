"""What programs import, and what each would look up first, once for all that are forked from here.

Hydra looks for its plugins, and learns its grammar, when it first composes a config; the list of
what is installed goes into every run folder.
"""

import albumentations as albumentations
import segmentation_models_pytorch as segmentation_models_pytorch

from outtake.config.compose import compose
from outtake.programs import infer_video as infer_video
from outtake.programs import sweep as sweep
from outtake.programs import train as train
from outtake.runs.environment import installed_packages

installed_packages()
compose("train", ["data=folder", "model._target_=a.b", "+note=[1,{a:'x y'}]", "~callbacks"])
