"""fashion_keras: a fashion catalogue in; trained classifiers, trusted tags and visual search out."""
