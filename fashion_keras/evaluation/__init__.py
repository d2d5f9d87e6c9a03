"""How good is it: metrics, reports, figures."""
