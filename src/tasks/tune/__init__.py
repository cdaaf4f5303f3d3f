"""A search for the best parameters of any task, judged on its validation split."""
