"""Parameters and metrics across commits, branches and tags as one table."""
