"""`python -m tasks.sandbox`: the sandbox without Django."""

from __future__ import annotations

import argparse

from . import add_arguments, config_from, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.sandbox", description="A stand-in for the IoT platform."
    )
    add_arguments(parser)
    try:
        config = config_from(vars(parser.parse_args()))
    except ValueError as wrong:
        parser.error(str(wrong))
    run(config)


if __name__ == "__main__":
    main()
