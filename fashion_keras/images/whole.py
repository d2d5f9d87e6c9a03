"""The products of a catalogue whose pictures can be read."""

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.images.decode import check_images
from fashion_keras.support.errors import InputError


def with_pictures(catalog: Catalog) -> Catalog:
    """Open every picture of a catalogue and set the products aside whose picture does not decode.

    Raises:
        InputError: when none is left.
    """
    reasons = check_images(catalog.paths)
    left = catalog.set_aside(reasons)
    if not len(left):
        first = f"the first, {catalog.paths[0]}: {reasons[0]}" if reasons else "the catalogue is empty"
        raise InputError(
            f"{catalog.folder}: no product with a usable image: all {len(reasons)} images are broken; {first}"
        )
    return left
