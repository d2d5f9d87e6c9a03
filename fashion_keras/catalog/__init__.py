"""Product catalogs: readers, tasks, label groups, taxonomies, splits. No TensorFlow."""
