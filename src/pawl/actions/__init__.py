"""What the workflows ask of pawl: who started a run, with what wishes, and what may be believed of what it left."""
