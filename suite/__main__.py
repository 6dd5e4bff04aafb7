"""`python -m suite`."""

from suite.core.program import run_program


def main() -> int:
    """Run the verb of the command line; imported here, so that a package that lacks is said in one line."""
    from suite.cli.main import main as run_verb

    return run_verb()


run_program(main)
