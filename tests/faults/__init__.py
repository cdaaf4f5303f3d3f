"""Every service of a run, failing in every way, at every step that talks to it; and the job killed at every step."""
