"""``python -m vcdb``: the same as the ``vcdb`` command."""

from vcdb.cli import main

if __name__ == "__main__":
    main()
