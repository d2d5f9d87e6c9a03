"""The history marks where phases change and which epoch of each is best."""

from fashion_keras.evaluation.plots.curves import best_epochs, plot_history
from tests.helpers.figures import lines_above, texts

ROW = {"loss": 1.0, "accuracy": 0.5, "val_loss": None, "val_accuracy": None, "learning_rate": 1e-3}


def epochs(*losses):
    """One row for each validation loss: the first two of phase frozen, the others of full."""
    return [
        ROW | {"epoch": i, "phase": "frozen" if i < 3 else "full", "val_loss": loss, "val_accuracy": loss and 1 - loss}
        for i, loss in enumerate(losses, 1)
    ]


def test_history_marks_phases_in_every_panel_and_accepts_gaps(figures, tmp_path):
    plot_history(tmp_path, epochs(None, None, None))
    panels = figures[0].axes
    assert [[list(line.get_xdata()) for line in axes.lines].count([2.5, 2.5]) for axes in panels] == [1, 1, 1]
    assert texts(panels[0].texts)[:2] == ["phase frozen", "phase full"]
    assert panels[2].get_yscale() == "log"
    plot_history(tmp_path, epochs(0.5))
    assert [len(axes.lines) for axes in figures[1].axes] == [3, 3, 1], "one epoch has no change of phase"


def test_history_marks_the_best_epoch_of_each_phase(figures, tmp_path):
    plot_history(tmp_path, epochs(0.5, 0.75, 0.375, 0.25, 0.3125))
    loss, accuracy, _ = figures[0].axes
    assert loss.lines[2].get_xydata().tolist() == [[1, 0.5], [4, 0.25]]
    assert accuracy.lines[2].get_xydata().tolist() == [[1, 0.5], [4, 0.75]]
    assert lines_above(loss)[-1] == "the weights are those of epoch 4: validation loss 0.250, accuracy 0.750"


def test_best_epochs_skips_a_phase_without_validation_loss():
    assert best_epochs(epochs(None, None, 0.5, 0.25)) == [3]
    assert best_epochs(epochs(0.5, 0.5)) == [0], "the first of equal ones, as training keeps it"
