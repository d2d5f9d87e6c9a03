"""Grad-CAM overlays: the network in Keras is loaded in the background, and explains an image at a time."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from threading import Lock

from PIL import Image

from fashion_keras.analysis.grad_cam import Explainer
from fashion_keras.evaluation.plots.style import overlay_heatmap
from fashion_keras.features.networks import BUILDING
from fashion_keras.support.errors import unknown_name_error
from fashion_keras.tagging.model.explainer import load_tagger_explainer
from fashion_keras.tagging.model.manifest import TaggerManifest
from fashion_keras.web.http.uploads import RequestError
from fashion_keras.web.service.background import finished, in_background

_HEIGHT = 480  # pixels of an overlay


class Explanations:
    """Explainers of a run and a tagger, loaded in the background. Threads may share it."""

    def __init__(self, run: str | None, tagger: str | None) -> None:
        """Take the folders; the first one that has an attribute explains it."""
        self._lock = Lock()
        loaders: list[tuple[Callable[[str], Explainer], str | None]] = [(_load_tagger, tagger), (Explainer.load, run)]
        self._explainers = [in_background(_load, loader, folder) for loader, folder in loaders if folder is not None]

    def draw(self, image: bytes, attribute: str | None) -> bytes:
        """Return the overlay for the predicted label of an attribute, by default the first one, as a PNG file.

        Raises:
            RequestError: 404 without a network, 503 while it loads.
            InputError: for an unknown attribute.
        """
        if not self._explainers:
            raise RequestError(404, "this server has nothing to explain: start it with --run or --tagger")
        explainers = [finished(loading, "the network in Keras", 5) for loading in self._explainers]
        by_name = {group.name: explainer for explainer in reversed(explainers) for group in explainer.groups}
        name = attribute or explainers[0].groups[0].name
        if name not in by_name:
            raise unknown_name_error("attribute", name, by_name)
        with self._lock:
            explanation = by_name[name].explain([image], head=name)[0]
        drawn = Image.fromarray(overlay_heatmap(explanation.pixels, explanation.activations[0].heat))
        scale = _HEIGHT / drawn.height
        drawn = drawn.resize((round(drawn.width * scale), _HEIGHT), Image.Resampling.BICUBIC)
        file = BytesIO()
        drawn.save(file, "PNG")
        return file.getvalue()


def _load(loader: Callable[[str], Explainer], folder: str) -> Explainer:
    """Load an explainer; one at a time, as Keras builds networks."""
    with BUILDING:
        return loader(folder)


def _load_tagger(folder: str) -> Explainer:
    manifest = TaggerManifest.read(folder)
    return load_tagger_explainer(manifest.encoder, manifest.load_heads(Path(folder)))
