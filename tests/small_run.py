"""The config of a run that takes seconds."""

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
