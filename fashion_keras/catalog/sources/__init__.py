"""Sources of catalogs: tables, folders, archives and the images that belong to their rows."""
