"""Race sklstm against other programs that do the same work, and compare the results.

``python race.py`` runs all races, ``python race.py epoch grid`` the two that are named,
and ``python race.py --quick`` all of them at reduced size, in about a minute and
without targets. README.md in this folder lists contestants and targets and explains how
times and ratios are taken. The top of each race's module says what is timed.

``--device gpu`` races on a GPU. The exit status is 1 if results that should agree do
not, or no such device is found. A missed target is reported, and does not change the
status.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import _epochs
import _fits
import _forecasters
import _grid
import _many
import _memory
import _panels
import _parallel
import _scale
import _served
import _serving
import _tiled
from _device import DEVICES, use_device
from _measure import OPTIONAL_LIBRARIES, describe_machine, is_installed
from _plan import Plan
from _processes import Processes
from _report import Report

RACES: dict[str, tuple[Callable[[Report, Plan], None], ...]] = {
    "epoch": (_epochs.race, _forecasters.race),
    "grid": (_grid.race,),
    "fit": (_fits.race,),
    "step": (_serving.race_step,),
    "predict": (_serving.race_predict,),
    "serving": (_served.race,),
    "scale": (_scale.race,),
    "parallel": (_parallel.race,),
    "memory": (_memory.race,),
    "tiled": (_tiled.race_epochs, _tiled.race_scale, _tiled.race_predict),
    "panels": (_panels.race_fit, _panels.race_step),
    "many": (_many.race,),
}


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Race sklstm against others who do the same work."
    )
    parser.add_argument(
        "races",
        nargs="*",
        metavar="RACE",
        help=f"which to run, all by default: {', '.join(RACES)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="reduced sizes: a check of about a minute"
    )
    parser.add_argument("--repeats", type=int, help="turns in every race")
    parser.add_argument(
        "--device", choices=DEVICES, default="cpu", help="what all compute on"
    )
    options = parser.parse_args(arguments)
    for name in options.races:
        if name not in RACES:
            parser.error(f"no race {name!r}; there are {', '.join(RACES)}")
    if options.repeats is not None and options.repeats < 1:
        parser.error(f"--repeats must be at least 1, got {options.repeats}")
    return options


def name_missing() -> str:
    """Return one line that names contestants not installed; empty if all are."""
    missing = [name for name in OPTIONAL_LIBRARIES if not is_installed(name)]
    if not missing:
        return ""
    return (
        f"not installed, left out: {', '.join(missing)} (pip install '.[benchmarks]')"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the races that were asked for, print them, and return the exit status."""
    options = parse_options(arguments)
    report = Report(judged=not options.quick)
    try:
        device = use_device(options.device)
    except RuntimeError as error:
        sys.exit(f"race.py --device {options.device}: {error}")
    report.say(f"{device}; {describe_machine()}")
    with Processes(shared=options.quick) as processes:
        plan = Plan(processes, options.quick, options.repeats)
        for name in options.races or RACES:
            report.say(f"## {name}")
            for race in RACES[name]:
                race(report, plan)
    report.say("## Summary")
    if name_missing():
        report.say(name_missing())
    return report.conclude()


if __name__ == "__main__":
    sys.exit(main())
