"""How the data of base and head differ: which examples, how many of each class, what leaks between splits."""
