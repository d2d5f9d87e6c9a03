"""What we know about products. No TensorFlow here."""
