"""Work of the API's routes, without HTTP: each method runs in a thread of the server."""

import logging
import os
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import decode
from fashion_keras.images.raster import ImageError
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.errors import InputError
from fashion_keras.web.http.uploads import Form, RequestError, check_image
from fashion_keras.web.service.embedding_map import EmbeddingMap
from fashion_keras.web.service.explanations import Explanations
from fashion_keras.web.service.resources import Resources
from fashion_keras.web.service.review import Review
from fashion_keras.web.service.searching import SearchRequest, describe_product, search
from fashion_keras.web.service.tagging import tag_image
from fashion_keras.web.service.thumbnails import SIZES, Thumbnail, Thumbnails

log = logging.getLogger("fashion_keras")


class Api:
    """What each route returns, of what the server has open; threads may share it."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._thumbnails = Thumbnails()
        self._map = EmbeddingMap()
        config = resources.config
        self._explanations = Explanations(config.run, config.tagger)
        self._review = Review(config.tagger, config.run, config.corrections)
        # Large images are decoded one per core at most, however many requests there are: each takes much memory.
        self._decoding = BoundedSemaphore(os.cpu_count() or 1)

    def info(self) -> dict[str, Any]:
        """Return what the page needs to know first."""
        resources, opened = self._resources, self._resources.current()
        spec, config = opened.index.spec, resources.config
        has_encoder = spec.image_spec is not None
        return {
            "name": config.data if config.data == "sample" else Path(resources.location).name,
            "images": len(opened.view),
            "products": len(opened.view.images_of),
            "encoder": Path(spec.encoder).name,
            "has_text": has_encoder and opened.searcher.encoder.text is not None,
            "tagger": resources.tagger is not None,
            "run": resources.classifier is not None,
            "review": self._review.is_open,
            "map": len(opened.view) > 2,
            "limits": {"bytes": config.max_bytes, "pixels": config.max_pixels, "seconds": config.max_seconds},
            "facets": opened.view.describe_facets(),
        }

    def search(self, form: Form) -> dict[str, Any]:
        """Return products; see `SearchRequest`."""
        opened = self._resources.current()
        spec = opened.index.spec.image_spec
        if form.image is not None and spec is None:
            raise InputError("this index has no encoder for new images: search by a product")
        pixels = None if form.image is None else self._decode(form.image, spec)
        return search(opened.searcher, opened.index, opened.view, SearchRequest.parse(form, pixels))

    def tag(self, form: Form) -> dict[str, Any]:
        """Return the tags of an image."""
        tagger, classifier = self._resources.tagger, self._resources.classifier
        if tagger is None and classifier is None:
            raise RequestError(404, "this server has no tagger: start it with --tagger or --run")
        image = form.required_image()
        tagged = tagger and (tagger, self._decode(image, tagger.encoder.image_spec))
        return tag_image(tagged, classifier and (classifier, self._decode(image, classifier.spec.image_spec)))

    def explain(self, form: Form) -> bytes:
        """Return a PNG file: the heat map of what a network predicts over the image."""
        image = form.required_image()
        check_image(image, self._resources.config.max_pixels)
        return self._explanations.draw(image, form.text("attribute"))

    def product(self, sku: str) -> dict[str, Any]:
        """Return a product and its neighbors."""
        opened = self._resources.current()
        return describe_product(opened.searcher, opened.index, opened.view, sku)

    def thumbnail(self, image_id: str, size: int) -> Thumbnail:
        """Return an image of the index, by its id alone: no path that a client sends is ever opened."""
        if size not in SIZES:
            raise InputError(f"size is one of {', '.join(map(str, SIZES))}, not {size}")
        opened = self._resources.current()
        if image_id not in opened.view.row_of:
            raise RequestError(404, "no image of that id is in the index")
        path = str(opened.index.lookup([image_id]).paths[0])
        try:
            return self._thumbnails.get(path, size)
        except FileNotFoundError:
            raise RequestError(404, "the file of this image is not there any more") from None
        except ImageError as error:
            log.warning("%s", error)
            raise RequestError(422, "the file of this image is damaged") from None
        except InputError as error:
            log.warning("%s", error)
            raise RequestError(503, "the place of this image does not reply") from None

    def map(self) -> dict[str, Any]:
        """Return the places of the images on a map."""
        opened = self._resources.current()
        return self._map.get(opened.index, opened.view)

    def review(self, kind: str | None, offset: int, limit: int) -> dict[str, Any]:
        """Return the labels that are left to review."""
        return self._review.list_items(self._resources.current().index, kind, offset, limit)

    def decide(self, body: bytes) -> dict[str, int]:
        """Store a decision of a review."""
        return self._review.submit(self._resources.current().index, body)

    def _decode(self, data: bytes, spec: ImageSpec) -> NDArray[np.uint8]:
        """Return the pixels of an upload in the size of a network, which takes them as they are."""
        check_image(data, self._resources.config.max_pixels)
        with self._decoding:
            return decode(data, spec)
