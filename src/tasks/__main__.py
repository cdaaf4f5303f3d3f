"""`python -m tasks`: the same as the command `tasks`."""

from tasks.cli import main

if __name__ == "__main__":
    main()
