"""Exercises of `05-layers`."""

from __future__ import annotations

from typing import Final

from imgkit.lessons.exercise import Exercise, Mistake, same_digest, sample

EXERCISES: Final = (
    Exercise(
        key="layers-1",
        expects="a number of layers",
        truth=lambda lab: len(sample(lab, "nginx").manifest.layers) + 3,
        because="Two RUN and one COPY wrote to the filesystem; deleting a file is writing, too.",
        hint="Which of these instructions change the filesystem, and which only the config?",
        mistakes=(
            Mistake(
                lambda lab: len(sample(lab, "nginx").manifest.layers) + 7,
                "That counts ENV, LABEL, EXPOSE and CMD as layers. They change the config, and "
                "write no file.",
            ),
            Mistake(
                lambda lab: len(sample(lab, "nginx").manifest.layers) + 2,
                "Is `RUN rm /x` among yours? It takes nothing away from the layer below: it adds "
                "a whiteout, in a layer of its own.",
            ),
            Mistake(
                lambda lab: 3,
                "These are the layers that the Dockerfile adds. Those of the base are below them.",
            ),
        ),
    ),
    Exercise(
        key="layers-2",
        expects="a digest, such as 'sha256:7695...'",
        truth=lambda lab: sample(lab, "redis").config.diff_ids[0],
        same=same_digest,
        because="The config lists it: the same tar, however well somebody compressed it.",
        hint="A DiffID is of the uncompressed tar. What is on your disk is compressed.",
        mistakes=(
            Mistake(
                lambda lab: sample(lab, "redis").manifest.layers[0].digest,
                "That is the digest of the blob, the compressed tar: the one that travels. "
                "Unpack it before you hash it.",
            ),
            Mistake(
                lambda lab: sample(lab, "redis").id,
                "That is the digest of the config, in which all DiffIDs are listed.",
            ),
            Mistake(
                lambda lab: sample(lab, "redis").config.diff_ids[-1],
                "That is the DiffID of the top layer. The first is the base.",
            ),
        ),
    ),
    Exercise(
        key="layers-3",
        expects="a number of bytes",
        truth=lambda lab: sample(lab, "demo/leaky").overlay.wasted,
        because=(
            "Two deleted files, and an old list of packages. They travel with each pull and stay "
            "on each disk."
        ),
        hint="Take the bytes in all layers, less the bytes of the files that you see.",
        mistakes=(
            Mistake(
                lambda lab: sample(lab, "demo/leaky").layers[2].unpacked_size,
                "These are the two deleted files and nothing else. Something was replaced, too, in "
                "layer 2.",
            ),
            Mistake(
                lambda lab: 0,
                "A whiteout hides; it frees nothing. The bytes below stay.",
            ),
            Mistake(
                lambda lab: sample(lab, "demo/leaky").unpacked_size,
                "These are the bytes in all layers. Take away those that can be seen.",
            ),
        ),
    ),
)
