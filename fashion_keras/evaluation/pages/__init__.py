"""Pages: reports as self-contained HTML files."""
