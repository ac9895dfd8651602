"""Exercises and quiz of `05-layers`."""

from __future__ import annotations

from typing import Final

from imgkit.lessons.exercise import Exercise, Mistake, same_digest, sample
from imgkit.lessons.quiz import Choice, Question

EXERCISES: Final = (
    Exercise(
        key="layers-1",
        task=(
            "**Exercise 1.** A Dockerfile: `FROM nginx`, `ENV A=1`, `RUN touch /x`, `LABEL b=2`, "
            '`COPY app.sh /`, `EXPOSE 80`, `RUN rm /x`, `CMD ["/app.sh"]`. How many layers has '
            "the image, those of `nginx` counted? The answer is a number."
        ),
        expects="a number of layers",
        types=(int, float),
        truth=lambda lab: len(sample(lab, "nginx").manifest.layers) + 3,
        because="Two RUN and one COPY wrote to the filesystem; deleting a file is writing, too.",
        hints=(
            "Which of these instructions change the filesystem, and which only the config?",
            "A layer more for each of those that write: RUN and COPY, and here three in all.",
        ),
        solution='lab.pull("nginx")\nanswer = len(lab.image("nginx").layers) + 3',
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
        task=(
            "**Exercise 2.** Compute the DiffID of the first layer of `redis` yourself, from the "
            "bytes on your disk. The answer is a text that begins with `sha256:`."
        ),
        expects="a digest, such as 'sha256:7695...'",
        types=str,
        truth=lambda lab: sample(lab, "redis").config.diff_ids[0],
        same=same_digest,
        because="The config lists it: the same tar, however well somebody compressed it.",
        hints=(
            "A DiffID is of the uncompressed tar. What is on your disk is compressed.",
            "The blob is in `lab.store.path(layer.digest)`; `gzip.decompress` unpacks its bytes.",
        ),
        solution=(
            "import gzip, hashlib\n\n"
            'lab.pull("redis")\n'
            'layer = lab.image("redis").layers[0]\n'
            "packed = lab.store.path(layer.digest).read_bytes()\n"
            'answer = "sha256:" + hashlib.sha256(gzip.decompress(packed)).hexdigest()'
        ),
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
        task=(
            "**Exercise 3.** How many bytes in the files of `demo/leaky` can nobody see any more, "
            "because a later layer replaced or deleted them? The answer is a number."
        ),
        expects="a number of bytes",
        types=(int, float),
        truth=lambda lab: sample(lab, "demo/leaky").overlay.wasted,
        because=(
            "Two deleted files, and an old list of packages. They travel with each pull and stay "
            "on each disk."
        ),
        hints=(
            "Take the bytes in all layers, less the bytes of the files that you see.",
            "The first is `.unpacked_size` of the image; the nodes of `.overlay` are what you see.",
            "The LayerExplorer says it, in its first line.",
        ),
        solution=(
            'lab.pull("demo/leaky")\n'
            'image = lab.image("demo/leaky")\n'
            "files = [node.inode.entry for node in image.overlay]\n"
            "seen = sum(entry.size for entry in files)\n"
            "answer = image.unpacked_size - seen"
        ),
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

QUIZ: Final = (
    Question(
        "A layer is ...",
        (
            Choice(
                "the commands that are run when the image is pulled",
                "No command is in it. What ran, ran once, when the image was built.",
            ),
            Choice(
                "a tar of files that were added or changed, and marks for those deleted",
                "Usually compressed, named by its digest, and never changed again.",
                right=True,
            ),
            Choice(
                "a copy of the whole filesystem after one step",
                "Only of what the step changed; the rest is in the layers below.",
            ),
        ),
    ),
    Question(
        "docker pull prints a1b2... for a layer, docker inspect lists c3d4... for it. Why?",
        (
            Choice(
                "One is the digest of the compressed blob, the other of the tar within",
                "What travels has the one, what is stacked has the other: the DiffID.",
                right=True,
            ),
            Choice(
                "The layer was changed on the way",
                "Then the pull had been refused.",
            ),
            Choice(
                "inspect counts the layers from the other end",
                "Both begin with the base; they are different digests of one layer.",
            ),
        ),
    ),
    Question(
        "An image with 14 lines in its history has 5 layers. What are the other nine?",
        (
            Choice("Layers that were squeezed into others", "Nothing was squeezed."),
            Choice(
                "Steps that changed only the config",
                "ENV, CMD, LABEL and their like: `empty_layer` stands beside each in the history.",
                right=True,
            ),
            Choice("Steps that failed", "A build with a step that failed makes no image."),
        ),
    ),
)
