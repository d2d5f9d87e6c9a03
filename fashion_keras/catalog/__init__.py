"""Product catalogues: readers, tasks, label groups, taxonomies, splits. No TensorFlow."""
