"""Grad-CAM overlays: the network in Keras is loaded in the background, and explains an image at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from PIL import Image

from fashion_keras.analysis.grad_cam import Explainer
from fashion_keras.evaluation.plots.style import overlay_heatmap
from fashion_keras.support.errors import unknown_name_error
from fashion_keras.tagging.model.explainer import load_tagger_explainer
from fashion_keras.tagging.model.manifest import TaggerManifest
from fashion_keras.web.http.uploads import RequestError

_HEIGHT = 480  # pixels of an overlay


class Explanations:
    """Explainers of a run and a tagger; one thread of its own loads them and explains. Threads may share it."""

    def __init__(self, run: str | None, tagger: str | None) -> None:
        """Take the folders; the first one that has an attribute explains it."""
        self._thread = ThreadPoolExecutor(1, "explain")
        loaders: list[Callable[[], Explainer]] = []
        if tagger is not None:
            loaders.append(lambda: _load_tagger(Path(tagger)))
        if run is not None:
            loaders.append(lambda: Explainer.load(run))
        self._explainers = [self._thread.submit(load) for load in loaders]

    def draw(self, image: bytes, attribute: str | None) -> bytes:
        """Return the overlay for the predicted label of an attribute, by default the first one, as a PNG file.

        Raises:
            RequestError: 404 without a network, 503 while it loads.
            InputError: for an unknown attribute.
        """
        if not self._explainers:
            raise RequestError(404, "this server has nothing to explain: start it with --run or --tagger")
        if not all(loading.done() for loading in self._explainers):
            raise RequestError(503, "the network is being loaded; try again in some seconds", retry_after=5)
        return self._thread.submit(self._draw, image, attribute).result()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _draw(self, image: bytes, attribute: str | None) -> bytes:
        explainers = [loaded.result() for loaded in self._explainers]
        by_name = {group.name: explainer for explainer in reversed(explainers) for group in explainer.groups}
        name = attribute or explainers[0].groups[0].name
        if name not in by_name:
            raise unknown_name_error("attribute", name, by_name)
        explanation = by_name[name].explain([image], head=name)[0]
        drawn = Image.fromarray(overlay_heatmap(explanation.pixels, explanation.activations[0].heat))
        scale = _HEIGHT / drawn.height
        drawn = drawn.resize((round(drawn.width * scale), _HEIGHT), Image.Resampling.BICUBIC)
        file = BytesIO()
        drawn.save(file, "PNG")
        return file.getvalue()


def _load_tagger(folder: Path) -> Explainer:
    manifest = TaggerManifest.read(folder)
    return load_tagger_explainer(manifest.encoder, manifest.load_heads(folder))
