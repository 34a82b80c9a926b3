"""The config of a run that takes seconds, and networks that are built in less."""

SMALL = (
    "data=scenes",
    "data.source.height=64",
    "data.source.width=96",
    "data.source.clips={train:3,val:2,test:1}",
    "data.source.frames_per_clip=4",
    "data.batch_size=4",
    "data.workers=0",
    "data.crop=[64,64]",
    "backbone=mobilenet_v2",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "callbacks=none",
    "logger=none",
)

_OF_134_MILLION_WEIGHTS = {"fcn32s_paper", "fcn16s_paper", "fcn8s_paper", "fcn8s_atonce_paper"}


def narrow(model: str) -> list[str]:
    """Overrides that make a network small whose published width is much for a test."""
    if model.startswith("keras/fcn_"):
        return ["model.fc_channels=8"]
    wide = model in _OF_134_MILLION_WEIGHTS | {"fcn_alexnet"}
    return ["model.width=0.0625"] if wide else []
