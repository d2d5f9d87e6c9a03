"""What the measurements of drift share: the least number of products, and the reason why something is not measured."""

MIN_PRODUCTS = 30


class NotMeasuredError(Exception):
    """A quantity cannot be measured; the message is the reason, which the report holds."""


def require_products(reference: int, new: int) -> None:
    """Raise NotMeasuredError unless there are MIN_PRODUCTS products of either side."""
    if min(reference, new) < MIN_PRODUCTS:
        raise NotMeasuredError(f"{reference} reference and {new} new products; {MIN_PRODUCTS} of each are needed")
