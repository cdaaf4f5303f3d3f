"""What is missing or unsafe, said before it costs GPU time."""
