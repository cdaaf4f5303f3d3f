"""From a source to posters with their genres."""
