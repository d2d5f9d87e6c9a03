"""The training loop: `Fit(...).run()` trains a network phase by phase and can be interrupted anywhere."""

import logging
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar
from fashion_keras.training.checkpoints import Checkpoints, TrainerState, save_weights
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.feeds import Feed
from fashion_keras.training.multihead_loss import MultiHeadObjective
from fashion_keras.training.strategies import Phase, Strategy, set_trainable
from fashion_keras.training.weight_decay import exclude_from_weight_decay

log = logging.getLogger("fashion_keras")

# What Keras' callbacks count from epoch to epoch, and would forget in an interruption.
_COUNTERS = {"EarlyStopping": ("wait", "best", "best_epoch"), "ReduceLROnPlateau": ("wait", "best", "cooldown_counter")}
_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": partial(keras.optimizers.SGD, momentum=0.9),
    "adamw": keras.optimizers.AdamW,
}
_ADAMW_DECAY = 0.05
_WARM_UP_EPOCHS = 2


@dataclass(frozen=True)
class Trainer:
    """What is trained on what, and how.

    Attributes:
        network: pixels -> logits, with its first weights; trained in place.
        objective: loss and accuracy.
        config: epochs, optimizer, patience and so on.
        strategy: the phases.
        block: the last layer that strategy last_block keeps frozen.
        pretrained: see `thaw`.
        feeds: for each phase its training and validation batches, and the part of the network that takes them.
        folder: of the run; history.csv and checkpoint/ are written there after each epoch.
        callbacks: the caller's own, called after ours.
    """

    network: keras.Model
    objective: MultiHeadObjective
    config: TrainConfig
    strategy: Strategy
    block: str
    pretrained: bool
    feeds: tuple[Feed, ...]
    folder: Path
    callbacks: tuple[keras.callbacks.Callback, ...] = ()

    def run(self) -> list[dict[str, Any]]:
        """Train to the weights of lowest validation loss and return the history, going on from a checkpoint."""
        files = Checkpoints(self.folder)
        progress = files.read()
        for number, epochs in enumerate(self.strategy.phase_epochs(self.config.epochs)):
            if number > progress.phase:
                progress = progress.next_phase()
            if number == progress.phase:
                learner = self.feeds[number].learner(self.network)
                if not progress.done:
                    self._run_phase(learner, epochs, progress, files)
                _bare(learner).load_weights(files.best)
        return progress.history

    def validation_logits(self) -> np.ndarray:
        """Return what the network says of the validation part, [m, K] float32, from what the last phase sees of it."""
        feed = self.feeds[-1]
        batches = feed.validation().map(lambda inputs, *_: inputs)
        logits = feed.learner(self.network).predict(batches, steps=feed.steps[1], verbose=0)
        return np.asarray(logits, np.float32)

    def _run_phase(self, learner: keras.Model, epochs: int, progress: TrainerState, files: Checkpoints) -> None:
        phase, feed = self.strategy.phases[progress.phase], self.feeds[progress.phase]
        thawed = set_trainable(self.network, self.strategy, phase, self.block, self.pretrained)
        _tell(self.network, phase, thawed)
        if self.config.accumulate > feed.steps[0]:
            raise InputError(f"--accumulate is at most the {feed.steps[0]} batches of an epoch")
        self._compile(learner, phase, epochs, feed.steps[0])
        if progress.epoch > progress.start:
            learner.load_weights(files.weights(progress))
        before = _sample(self.network, thawed)
        last = progress.start + epochs
        learner.fit(
            # One epoch more than is used: Keras warns of a data set that ends.
            feed.training(range(progress.epoch, last + 1)),
            shuffle=False,
            validation_data=feed.validation(),
            validation_steps=feed.steps[1],
            initial_epoch=progress.epoch,
            epochs=last,
            steps_per_epoch=feed.steps[0],
            callbacks=self._callbacks(
                _CheckpointCallback(_bare(learner), progress, phase.trainable, last, files, feed.steps[0])
            ),
            verbose=0,
        )
        if np.array_equal(before, _sample(self.network, thawed)):
            raise AssertionError(f"phase {phase.trainable} was to train {thawed or 'the head'}, which did not move")

    def _compile(self, learner: keras.Model, phase: Phase, epochs: int, batches: int) -> None:
        rate = phase.learning_rate
        if self.config.learning_rate:
            # Later phases keep their proportion to the first.
            rate *= self.config.learning_rate / self.strategy.phases[0].learning_rate
        if self._schedule == "cosine":
            # Counted in batches, accumulated or not, as Keras does.
            warm = min(_WARM_UP_EPOCHS, epochs - 1) * batches
            rate = keras.optimizers.schedules.CosineDecay(
                rate / 20, epochs * batches - warm, 0.0, warmup_target=rate, warmup_steps=warm
            )
        optimizer = self._optimizer(rate)
        smoothing = self.config.label_smoothing
        smoothing = self.strategy.label_smoothing if smoothing is None else smoothing
        # XLA is ten times slower than oneDNN on a CPU.
        loss, accuracy = self.objective.loss(smoothing), self.objective.accuracy()
        learner.compile(optimizer, loss, metrics=[accuracy], jit_compile=False)
        learner.optimizer.build(learner.trainable_variables)

    def _optimizer(self, rate: Any) -> keras.optimizers.Optimizer:  # noqa: ANN401 - a number or a schedule
        name = self.config.optimizer or self.strategy.optimizer
        decay = self.config.weight_decay
        if decay is None:
            decay = _ADAMW_DECAY if name == "adamw" else None
        several = self.config.accumulate if self.config.accumulate > 1 else None
        return exclude_from_weight_decay(
            _OPTIMIZERS[name](rate, weight_decay=decay, gradient_accumulation_steps=several)
        )

    @property
    def _schedule(self) -> str:
        return self.config.schedule or self.strategy.schedule

    def _callbacks(self, keeper: "_CheckpointCallback") -> list[keras.callbacks.Callback]:
        callbacks = [_Reseed(self.config.seed), keras.callbacks.EarlyStopping(patience=self.config.patience)]
        if self._schedule == "plateau":
            callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=self.config.plateau_patience))
        keeper.keep_count_of(callbacks)
        # After the others of ours, so that it saves what they have counted.
        return [*callbacks, keeper, *self.callbacks]


class _Reseed(keras.callbacks.Callback):
    """Give dropout random numbers that depend on seed and epoch alone: Keras does not save their state."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for number, layer in enumerate(self.model.layers):
            if getattr(layer, "seed_generator", None) is not None:
                state = np.random.SeedSequence((self.seed, epoch, number)).generate_state(2)
                layer.seed_generator.state.assign(state.astype(layer.seed_generator.state.dtype))


class _CheckpointCallback(keras.callbacks.Callback):
    """Keep progress, weights and history after each epoch, and tell how it goes."""

    def __init__(
        self, bare: keras.Model, progress: TrainerState, phase: str, last: int, files: Checkpoints, steps: int
    ) -> None:
        super().__init__()
        self.bare, self.progress, self.phase, self.last, self.files = bare, progress, phase, last, files
        self.steps = steps
        self.counted: dict[str, keras.callbacks.Callback] = {}

    def keep_count_of(self, others: list[keras.callbacks.Callback]) -> None:
        self.counted = {type(other).__name__: other for other in others if type(other).__name__ in _COUNTERS}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        for name, counters in self.progress.counters.items():
            for counter, value in counters.items():
                setattr(self.counted[name], counter, value)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.rate = float(self.model.optimizer.learning_rate)
        self.began = time.perf_counter()
        self.bar = ProgressBar(f"epoch {epoch + 1}/{self.last}", self.steps)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.advance()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.close()
        row = {"epoch": epoch + 1, "phase": self.phase}
        row |= {key: float(logs[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        row |= {"learning_rate": self.rate, "seconds": round(time.perf_counter() - self.began, 2)}
        log.info(
            "epoch %d/%d  loss %.3f (val %.3f)  accuracy %.3f (val %.3f)  rate %.1g  %.0f s",
            epoch + 1, self.last, row["loss"], row["val_loss"], row["accuracy"], row["val_accuracy"], self.rate,
            row["seconds"],
        )  # fmt: skip
        if self.progress.best is None or row["val_loss"] < self.progress.best:
            self.progress.best = row["val_loss"]
            save_weights(self.bare, self.files.best)
        self._keep(row)

    def _keep(self, row: dict[str, Any]) -> None:
        self.progress.epoch = row["epoch"]
        self.progress.history.append(row)
        self.progress.done = bool(self.model.stop_training) or row["epoch"] == self.last
        self.progress.counters = {
            name: {key: _plain(getattr(other, key)) for key in _COUNTERS[name]} for name, other in self.counted.items()
        }
        self.files.write(self.model, self.progress)


def _bare(learner: keras.Model) -> keras.Model:
    """Return a learner's twin without optimizer: its file of best weights fits whatever was compiled."""
    return keras.Model(learner.input, learner.output)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a counter of Keras'
    return value.item() if isinstance(value, np.generic) else value


def _sample(network: keras.Model, thawed: list[str]) -> np.ndarray:
    """Return the first thawed kernel, or that of the logits when the backbone is frozen."""
    name = thawed[0] if thawed else "logits"
    return keras.ops.convert_to_numpy(network.get_layer(name).trainable_weights[0])


def _tell(network: keras.Model, phase: Phase, thawed: list[str]) -> None:
    shown = thawed if len(thawed) <= 8 else [*thawed[:2], "...", thawed[-1]]
    count = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    names = ", ".join(["head", *shown])
    log.info("phase %s: %d of %d parameters learn: %s", phase.trainable, count, network.count_params(), names)
