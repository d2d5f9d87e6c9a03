"""Visual search: local and PostgreSQL indexes, image queries."""
