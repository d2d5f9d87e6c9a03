"""Networks: backbones, compact nets, classifiers."""
