"""`python -m gradfleet` is the command `gradfleet`."""

from gradfleet.cli.main import main

if __name__ == "__main__":
    main()
