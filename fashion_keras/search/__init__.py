"""Visual search: products by the likeness of their pictures."""
