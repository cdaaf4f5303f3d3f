"""pawl: continuous training on pull requests, with a verdict."""

__version__ = "0.1.0"
