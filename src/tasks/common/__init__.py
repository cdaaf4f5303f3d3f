"""What the tasks share, in one folder for each group of stages that needs it, because DVC re-runs by folder."""
