"""From raw posters to filtered, split and augmented pixels."""
