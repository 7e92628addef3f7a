"""`python -m assistant` is the command `goalspace`."""

from assistant.cli import main

main()
