"""The server of `fashion-keras serve`: a search page and a JSON API over an index."""
