"""Exports of trained networks for other runtimes, and their sample clients."""
