"""What the measurements of drift share: the least number of products, and the reason why something is not measured."""

MIN_PRODUCTS = 30


class NotMeasuredError(Exception):
    """A quantity cannot be measured; the message is the reason, which the report holds."""
