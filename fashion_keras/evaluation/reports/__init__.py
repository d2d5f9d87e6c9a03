"""Reports: metrics and figures of one model, assembled."""
