"""Measures cloudctl beside the clients that people use now: `python3 benches/peers/run.py`. The README says how."""

import argparse
import functools
import os
import sys
from pathlib import Path

import create
import measure
import peers
import report
import rounds
import scenarios
import size


def main() -> int:
    arguments = parsed_arguments()
    measure.adopt_orphans()
    found = peers.find(arguments.cloudctl, arguments.aws_v2)
    every = [*scenarios.every(found), *create.scenarios(found)]
    wanted = wanted_of([scenario.key for scenario in every], arguments.only)
    emulators = functools.cache(lambda: arguments.emulators or peers.built_emulators())

    parts, figures = [report.heading(found, arguments.rounds)], {}
    for scenario in (scenario for scenario in every if scenario.key in wanted):
        print(f"measuring {scenario.key}", file=sys.stderr)
        for step, results in rounds.results_of(scenario, arguments.rounds, emulators):
            parts.append(report.section(step, results, arguments.rounds))
            for result in results:
                for figure in ("wall_ms", "cpu_ms", "peak_mib"):
                    figures[step.key, result.run.key, figure] = getattr(result, figure)
    if "size" in wanted:
        build = size.clean_build() if arguments.clean_build else "not measured in this run"
        parts.append(report.size_section(size.size(Path(found.cloudctl.program[0])), build))
    verdicts, passed = report.must_hold(figures)

    text = "\n".join([*parts, verdicts])
    print(text, end="")
    if arguments.output:
        arguments.output.write_text(text)
    return 0 if passed else 1


def wanted_of(keys: list, only: list | None) -> list:
    """The scenarios that are measured. A word stands also for all that begin with it: `create` for `create-ec2`."""
    keys = [*keys, "size"]
    if not only:
        return keys
    meant = {word: [key for key in keys if key == word or key.startswith(f"{word}-")] for word in only}
    if unknown := sorted(word for word, found in meant.items() if not found):
        raise SystemExit(f"no such scenario: {', '.join(unknown)}")
    return [key for found in meant.values() for key in found]


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cloudctl", type=existing, metavar="PATH", help="measure this binary; else one is built")
    parser.add_argument("--aws-v2", type=existing, metavar="PATH", help="the AWS command line, version 2; also AWS_V2")
    parser.add_argument("--emulators", type=existing, metavar="PATH", help="the program cloud-emulators; else built")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="SCENARIO[,...]", help="leave out others")
    parser.add_argument("--rounds", type=positive, default=11, help="how often each command is measured (default: 11)")
    parser.add_argument("--clean-build", action="store_true", help="also time a release build from nothing (minutes)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report to this file, too")
    return parser.parse_args()


def existing(text: str) -> Path:
    path = Path(text).absolute()
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"{text} is not a program")
    return path


def positive(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return count


if __name__ == "__main__":
    sys.exit(main())
