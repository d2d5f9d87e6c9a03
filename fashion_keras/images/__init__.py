"""Image decoding, augmentation, corruptions, input pipelines."""
