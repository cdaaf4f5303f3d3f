"""What has to run, and running it: keys, receipts, plan, reproduce, the base's worktree."""
