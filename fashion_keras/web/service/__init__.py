"""What requests return: searches, facets, thumbnails, tags, heat maps, the map, the review queue."""
