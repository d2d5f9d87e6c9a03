"""Config dataclasses of the command `study`."""

from dataclasses import dataclass

from fashion_keras.analysis.config import same_field
from fashion_keras.support.config_fields import Config, config_field


@dataclass(frozen=True, kw_only=True)
class StudyConfig(Config):
    """A paper's experiments, re-run on a catalogue (command `study NAME`)."""

    data: str | None = same_field("data")
    quick: bool = config_field(False, "few products and epochs: minutes on two CPU cores")
    out: str | None = config_field(
        None, "study folder, in which an interrupted study continues; default: runs/study-NAME[-quick]", metavar="DIR"
    )


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(Config):
    """The training of fashion_small (command `study pretrain`)."""

    data: str | None = same_field("data")
    epochs: float = config_field(1.0, "factor on the number of epochs, below 1 for a quick look", metavar="X", above=0)
    ship: bool = config_field(False, "copy the weights into the package")
    out: str = config_field("runs/pretrain", "folder of both training stages", metavar="DIR")
