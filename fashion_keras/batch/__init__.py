"""Batch processing of catalogs of any size: planned in shards, each written exactly once."""
