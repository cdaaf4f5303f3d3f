"""Genres of film posters, any number each, named by EfficientNetV2-B0 or a small CNN in TensorFlow."""
