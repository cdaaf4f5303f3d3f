"""Jobs on a cluster: a module for each executor, and what they share with the one of this machine.

The function that each has, `run_...(names, folder, ...)`, runs the job of each of `names`, whose folder is
`folder/<name>`, `workers` at once, with `root` as the working folder, and gives what went wrong by name. With
`stop_at_failure`, the first failure ends the others, which are then in no result. Whatever ends the function, it leaves
no job running.
"""
