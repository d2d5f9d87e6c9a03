"""Config dataclasses of the command `study`."""

from dataclasses import dataclass

from fashion_keras.analysis.config import same_field
from fashion_keras.support.config_fields import Config, config_field


@dataclass(frozen=True, kw_only=True)
class StudyConfig(Config):
    """Settings of the command `study NAME`: a paper's experiments are re-run on a catalog."""

    data: str | None = same_field("data")
    quick: bool = config_field(False, "Few products and epochs: minutes on two CPU cores.")
    out: str | None = config_field(
        None, "Study folder, in which an interrupted study continues. Default: runs/study-NAME[-quick].", metavar="DIR"
    )


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(Config):
    """Settings of the command `study pretrain`: `fashion_encoder` is trained."""

    data: str | None = same_field("data")
    epochs: float = config_field(
        1.0, "Factor on the number of epochs; below 1 for a quick trial.", metavar="X", above=0
    )
    limit: int | None = config_field(
        None, "Approximate number of products to use. Default: all.", metavar="N", at_least=1
    )
    ship: bool = config_field(False, "Copy the weights into the package.")
    out: str = config_field("runs/pretrain", "Folder of both training stages.", metavar="DIR")
