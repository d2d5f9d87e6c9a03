"""Config dataclasses of batch runs: each field is a flag, a JSON key and a line of documentation."""

import re
from dataclasses import dataclass

from fashion_keras.features.registry import DEFAULT_ENCODER
from fashion_keras.support.config_fields import DataConfig, LimitConfig, config_field
from fashion_keras.support.errors import InputError

_PART = re.compile(r"([1-9]\d*)/([1-9]\d*)")


@dataclass(frozen=True, kw_only=True)
class BatchConfig(LimitConfig, DataConfig):
    """Fields of a command that processes a catalog of any size in shards."""

    engine: str = config_field(
        "local", "Where shards are processed: in this process, or by workers of Ray.", ("local", "ray")
    )
    address: str | None = config_field(
        None, "Address of a Ray cluster. Default: $RAY_ADDRESS, else Ray is started here.", metavar="ADDRESS"
    )
    workers: int | None = config_field(
        None, "Number of Ray's workers. Default: one for each two CPUs, or for each share of a GPU.", metavar="N",
        at_least=1,
    )  # fmt: skip
    gpus_per_worker: float = config_field(0.0, "GPUs of a Ray worker, such as 0.5.", metavar="X", at_least=0)
    shard: str | None = config_field(
        None, "Process only part I of N of the shards, for a scheduler that starts N such commands.", metavar="I/N"
    )
    shards: int | None = config_field(
        None, "Number of shards of a new folder. Default: one for some 4,000 images.", metavar="N", at_least=1,
        at_most=99_999,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.part
        if self.engine != "ray" and (self.address or self.workers or self.gpus_per_worker):
            raise InputError("--address, --workers and --gpus-per-worker are for --engine ray")
        if self.shard and self.engine == "ray":
            raise InputError("--shard is for --engine local: Ray hands out the shards itself")

    @property
    def part(self) -> tuple[int, int]:
        """`shard` as (part, number of parts), the first part 0."""
        match = _PART.fullmatch(self.shard or "1/1")
        if not match or int(match[1]) > int(match[2]):
            raise InputError(f"--shard {self.shard!r}: expected I/N, from 1/N to N/N")
        return int(match[1]) - 1, int(match[2])


@dataclass(frozen=True, kw_only=True)
class EncodeConfig(BatchConfig):
    """Settings of the command `features encode`: the embeddings of a catalog's images, in shards."""

    encoder: str = config_field(DEFAULT_ENCODER, "Encoder that computes the embeddings.", metavar="NAME|DIR")
    weights: str = config_field("auto", "Weights of a bare backbone, as in train.", metavar="W")
    image_size: str | None = config_field(
        None, "Height and width of the images as the encoder gets them. Default: its own.", metavar="HxW"
    )
