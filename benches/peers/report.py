"""The report, in Markdown."""

import datetime
import os
import platform
from pathlib import Path

from peers import Peers
from rounds import Result
from scenarios import Scenario
from targets import MUST_HOLD


def heading(peers: Peers, rounds: int) -> str:
    versions = ", ".join(f"{peer.name} {peer.version}" for peer in peers.every())
    return (
        f"# cloudctl and its peers\n\n{datetime.date.today()}, {processor()}, {os.cpu_count()} cores. "
        f"Medians of {rounds} rounds or of as many as are said, in which all take turns, after one that is not "
        f"counted.\n\n{versions}.\n"
    )


def processor() -> str:
    with Path("/proc/cpuinfo").open() as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def section(scenario: Scenario, results: list, rounds: int) -> str:
    fewer = f" ({scenario.most_rounds} rounds)" if scenario.most_rounds < rounds else ""
    ours = results[0].wall_ms
    return "\n".join(
        [
            f"## {scenario.title} (`{scenario.key}`){fewer}\n",
            "| command | wall ms | CPU ms | peak MiB | × cloudctl's wall | calls |",
            "|---|--:|--:|--:|--:|---|",
            *(row(result, ours) for result in results),
            "",
        ]
    )


def row(result: Result, ours: float) -> str:
    if result.wall_ms is None:
        return f"| {result.run.label} | not installed | – | – | – | – |"
    figures = " | ".join(number(figure) for figure in (result.wall_ms, result.cpu_ms, result.peak_mib))
    return f"| {result.run.label} | {figures} | {number(result.wall_ms / ours)} | {calls(result.calls)} |"


def number(figure: float) -> str:
    return f"{figure:.1f}" if figure < 100 else f"{figure:,.0f}"


def calls(counts: dict) -> str:
    """How often what was asked, regions put together."""
    by_action = {}
    for counted_as, count in sorted(counts.items()):
        words = counted_as.split()
        action = words[0] if words[0].startswith("Describe") else counted_as
        by_action[action] = by_action.get(action, 0) + count
    return ", ".join(f"{count} × {action}" for action, count in by_action.items()) or "–"


def size_section(size: str, build: str) -> str:
    return f"## Size and build (`size`)\n\n| binary | clean release build |\n|--:|--:|\n| {size} | {build} |\n"


def must_hold(figures: dict) -> tuple:
    """The section, and whether nothing failed."""
    verdicts = [(target, target.verdict(figures)) for target in MUST_HOLD]
    rows = [
        f"| {target.described()} | {verdict[0]} | {'pass' if verdict[1] else '**fail**'} |"
        if verdict
        else f"| {target.described()} | – | not measured |"
        for target, verdict in verdicts
    ]
    table = "\n".join(["## Must hold\n", "| target | measured | |", "|---|---|---|", *rows, ""])
    return table, all(verdict is None or verdict[1] for _, verdict in verdicts)
