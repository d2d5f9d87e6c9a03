"""Training loop: `Trainer(...).run()` trains any Keras model phase by phase, and resumes after an interruption."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.shares import ONE_REPLICA
from fashion_keras.models.weights_file import load_weights
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar
from fashion_keras.training.base_config import BackboneConfig
from fashion_keras.training.callbacks import CheckpointCallback, ReseedDropout, StopOnNonFiniteLoss
from fashion_keras.training.checkpoints import Checkpoints, TrainerState, save_weights
from fashion_keras.training.distribution import ONE_DEVICE, Distribution
from fashion_keras.training.estimate import EstimateCallback
from fashion_keras.training.feeds import Feed
from fashion_keras.training.strategies import get_strategy, set_trainable

log = logging.getLogger("fashion_keras")

Loss = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor] | str


_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": partial(keras.optimizers.SGD, momentum=0.9),
    "adamw": keras.optimizers.AdamW,
}
_ADAMW_DECAY = 0.05


@dataclass(frozen=True)
class OptimizerSettings:
    """Optimizer, learning-rate schedule, weight decay and gradient accumulation.

    Attributes:
        name: adam, rmsprop, sgd (momentum 0.9) or adamw.
        schedule: of the learning rate: "constant"; "plateau", a tenth after `plateau_patience` epochs without a lower
            validation loss; or "cosine", from a twentieth up in `warm_up` epochs, then down to 0.
        weight_decay: decoupled; None for 0.05 with adamw, else none.
        accumulate: batches whose gradients are averaged before a step.
    """

    name: str = "adam"
    schedule: str = "constant"
    weight_decay: float | None = None
    accumulate: int = 1
    plateau_patience: int = 5
    warm_up: int = 2

    def build(self, learning_rate: float, epochs: int, steps: int, replicas: int = 1) -> keras.optimizers.Optimizer:
        """Return the optimizer for `epochs` epochs of `steps` batches on `replicas` devices; schedules count steps."""
        rate = learning_rate
        if self.schedule == "cosine":
            rise = min(self.warm_up, epochs - 1) * steps
            rate = keras.optimizers.schedules.CosineDecay(
                learning_rate / 20, epochs * steps - rise, 0.0, warmup_target=learning_rate, warmup_steps=rise
            )
        decay = _ADAMW_DECAY if self.weight_decay is None and self.name == "adamw" else self.weight_decay
        accumulated = self.accumulate if self.accumulate > 1 else None
        optimizer = _OPTIMIZERS[self.name](rate, weight_decay=decay, gradient_accumulation_steps=accumulated)
        # Of kernels alone; decoupled: a step takes learning rate * decay of them (arXiv:1711.05101).
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "power"])
        if replicas == 1:
            # Nothing to sum: TensorFlow would keep its gradient, with the step and all weights, until the process ends.
            optimizer._all_reduce_sum_gradients = list
        return optimizer


@dataclass(frozen=True)
class TrainerPhase:
    """A number of epochs, at most, in which the same layers are trained on the same data.

    Attributes:
        name: column `phase` of the history.
        learning_rate: the highest of the schedule.
        feed: training and validation batches, and the part of the model that takes them.
        freeze: sets `trainable` of the model's layers before it is compiled and returns the names of those besides the
            head; None leaves all as they are.
    """

    name: str
    epochs: int
    learning_rate: float
    feed: Feed
    freeze: Callable[[keras.Model], list[str]] | None = None


@dataclass(frozen=True)
class Trainer:
    """Training loop of a Keras model: phases, loss, optimizer, checkpoints, callbacks.

    Attributes:
        model: with its initial weights; trained in place.
        phases: one after the other, each from the final weights of the one before.
        loss: as `keras.Model.compile` takes it.
        folder: of the run; history.csv and checkpoint/ are written there after each epoch.
        metrics: makes new metrics, once per phase.
        seed: of dropout.
        validate: compute the validation loss after each epoch.
        restore_best: end each phase with the weights of lowest validation loss; else with those of its last epoch.
        patience: epochs without a lower validation loss after which a phase ends; None for no early stopping.
        callbacks: of the user, in every phase. Their `model` is the part that it trains; checkpoints lack their state.
        distribution: devices that train together; `model` then has the weights of their copies at the end.
    """

    model: keras.Model
    phases: tuple[TrainerPhase, ...]
    loss: Loss
    optimizer: OptimizerSettings
    folder: Path
    metrics: Callable[[], list[keras.metrics.Metric]] = list
    seed: int = 0
    validate: bool = True
    restore_best: bool = True
    patience: int | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    distribution: Distribution = ONE_DEVICE

    def run(self) -> list[dict[str, Any]]:
        """Train, from the last checkpoint where there is one, and return the history, one row per epoch.

        InputError when the loss becomes NaN or infinite: the model then has its best weights so far, which are
        also in checkpoint/best.weights.h5 once an epoch was finished.
        """
        if self.distribution.strategy is None:
            return self._run()
        with self.distribution.copied(self.model) as copy:
            return replace(self, model=copy)._run()

    def _run(self) -> list[dict[str, Any]]:
        files = Checkpoints(self.folder)
        state = files.read()
        self.distribution.check_same("checkpoints", f"{state.phase} {state.epoch}".encode())
        with ProgressBar("training", self._steps_left(state)) as bar:
            for number, phase in enumerate(self.phases):
                if number > state.phase:
                    state = state.next_phase()
                learner = self.distribution.learner(phase.feed.learner(self.model))
                if number == state.phase and not state.done:
                    with self.distribution.scope():
                        self._run_phase(learner, phase, state, files, bar)
                load_weights(_copy_without_optimizer(learner), files.folder / state.best_files[number])
        return state.history

    def validation_outputs(self) -> NDArray[np.float32]:
        """Return the model's outputs [m, ...] for the validation rows of the last phase."""
        feed = replace(self.phases[-1].feed, shares=ONE_REPLICA)
        batches = feed.validation().map(lambda inputs, *_: inputs)
        return np.asarray(feed.learner(self.model).predict(batches, steps=feed.steps[1], verbose=0), np.float32)

    def _steps_left(self, state: TrainerState) -> int:
        epochs = [phase.epochs for phase in self.phases]
        epochs[: state.phase] = [0] * state.phase
        epochs[state.phase] -= epochs[state.phase] if state.done else state.epoch - state.start
        return sum(count * phase.feed.steps[0] for count, phase in zip(epochs, self.phases, strict=True))

    def _run_phase(
        self, learner: keras.Model, phase: TrainerPhase, state: TrainerState, files: Checkpoints, bar: ProgressBar
    ) -> None:
        steps = phase.feed.steps[0]
        if not steps:
            raise InputError("the training part does not fill one batch: give a smaller --batch-size")
        if self.optimizer.accumulate > steps:
            raise InputError(f"--accumulate must be at most {steps}, the batches of an epoch")
        names = ["head", *phase.freeze(self.model)] if phase.freeze else ["all layers"]
        _log_phase(phase.name, self.model, names)
        self.distribution.log_normalization(learner)
        # XLA is ten times slower than oneDNN on a CPU.
        optimizer = self.optimizer.build(phase.learning_rate, phase.epochs, steps, self.distribution.replicas)
        learner.compile(optimizer, self.distribution.loss(self.loss), metrics=self.metrics(), jit_compile=False)
        learner.optimizer.build(learner.trainable_variables)
        if state.epoch > state.start:
            load_weights(learner, files.folder / state.weights_file)
        before, kernel = learner.get_weights(), _first_trainable_kernel(learner)
        last, own, best = state.start + phase.epochs, self._own_callbacks(), self.restore_best and self.validate
        epoch_steps = steps, phase.feed.steps[1] if self.validate else 0
        estimate = EstimateCallback(phase.name, last - state.epoch, epoch_steps, self.model, self.folder)
        saving = CheckpointCallback(_copy_without_optimizer(learner), state, files, phase.name, last, best, own, bar)
        try:
            learner.fit(
                # One epoch more than is used: Keras warns of a data set that ends.
                self.distribution.batches(partial(phase.feed.training, range(state.epoch, last + 1))),
                shuffle=False,
                initial_epoch=state.epoch,
                epochs=last,
                steps_per_epoch=steps,
                validation_data=self.distribution.batches(phase.feed.validation) if self.validate else None,
                validation_steps=phase.feed.steps[1] if self.validate else None,
                # Saving comes last: the others have counted the epoch then.
                callbacks=[*own, estimate, *self.callbacks, saving],
                verbose=0,
            )
        except FloatingPointError as error:
            learner.set_weights(before)
            saved = self._restore_best(learner, state, files)
            raise InputError(f"{error} ({saved})") from None
        bar.advance((last - state.epoch) * steps)
        if np.array_equal(kernel, _first_trainable_kernel(learner)):
            raise AssertionError(f"phase {phase.name}: the first kernel of {', '.join(names)} did not change")

    def _own_callbacks(self) -> list[keras.callbacks.Callback]:
        callbacks = [StopOnNonFiniteLoss(), ReseedDropout(self.seed)]
        if self.patience:
            callbacks.append(keras.callbacks.EarlyStopping(patience=self.patience))
        if self.optimizer.schedule == "plateau":
            callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=self.optimizer.plateau_patience))
        return callbacks

    def _restore_best(self, learner: keras.Model, state: TrainerState, files: Checkpoints) -> str:
        """Give the model its best weights so far, save them, and return where."""
        if len(state.best_files) > state.phase:
            load_weights(_copy_without_optimizer(learner), files.folder / state.best_files[state.phase])
        if not state.history:
            return "no epoch was finished"
        path = files.folder / "best.weights.h5"
        save_weights(_copy_without_optimizer(self.model), path)
        return f"the best weights so far are in {path}"


def trainer_phases(config: BackboneConfig, feeds: Sequence[Feed], pretrained: bool) -> tuple[TrainerPhase, ...]:
    """Return the phases of a config's strategy on these feeds; `pretrained` is as of `set_trainable`."""
    strategy, block = get_strategy(config.strategy_name), config.last_frozen
    # Later phases keep their proportion to the first.
    factor = config.learning_rate / strategy.phases[0].learning_rate if config.learning_rate else 1
    rows = zip(strategy.phases, strategy.phase_epochs(config.epochs), feeds, strict=True)
    return tuple(
        TrainerPhase(
            phase.trainable,
            epochs,
            phase.learning_rate * factor,
            feed,
            partial(set_trainable, strategy=strategy, phase=phase, block=block, pretrained=pretrained),
        )
        for phase, epochs, feed in rows
    )


def _copy_without_optimizer(model: keras.Model) -> keras.Model:
    """Return a model of the same layers that is not compiled: its weight files fit whatever was compiled."""
    return keras.Model(model.input, model.output, name=model.name)


def _first_trainable_kernel(model: keras.Model) -> NDArray[np.float32]:
    return next(keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights if len(weight.shape) > 1)


def _log_phase(phase: str, model: keras.Model, names: list[str]) -> None:
    shown = ", ".join(names if len(names) <= 8 else [*names[:3], "...", names[-1]])
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    log.info("phase %s: %d of %d parameters are trainable: %s", phase, trainable, model.count_params(), shown)
