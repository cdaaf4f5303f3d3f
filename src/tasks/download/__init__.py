"""Getting the real data of a task from where its owner offers it."""
