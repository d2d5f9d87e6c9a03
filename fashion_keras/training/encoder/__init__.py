"""Encoder training: metric learning, autoencoders, whitening."""
