"""The command ``lab/lab``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lab.cables import CableError
from lab.engine import EngineError
from lab.fleet import DEFAULT_NAME, REPO, Fleet, LabError
from lab.images import ensure
from lab.progress import Progress
from lab.requests import RATE, RequestsError, so_far

_DESCRIPTION = """\
A fleet of edge hosts in containers: four edges in three PoPs, two FRR routers, a GoBGP customer, a master, a client."""
_EXAMPLES = """\
examples:
  lab/lab up                                     build what is missing and start everything
  lab/lab exec master salt 'edge*' state.apply   Salt, as anywhere
  lab/lab exec master tidegate rollout status    Tidegate, where its store is
  lab/lab exec edge1.lhr1 birdc show protocols   any command on any host
  lab/lab exec client curl http://192.0.2.10/    ask the anycast address who answers
  lab/lab requests start; lab/lab requests stop  ask it all the time; how many were lost, and who answered
  lab/lab policy my/pillar                       give the master another policy; without a directory, the example again
  lab/lab settle                                 drop the installer's default routes: only BGP leads home from now on
  lab/lab kill edge1.lhr1; lab/lab start edge1.lhr1   a loss of power, and its return
  lab/lab down                                   remove all of it

hosts and cables are in lab/topology.yaml; each host's container is called LAB-HOST (tidegate-edge1.lhr1).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 failed (with the reason on standard error), 2 called wrongly.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (EngineError, CableError, LabError, RequestsError, LookupError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; `lab/lab up` goes on where it was, `lab/lab down` removes it", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab/lab", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", default=os.environ.get("TIDEGATE_LAB", DEFAULT_NAME), help="which lab (%(default)s)")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    verb("up", _up, "start the lab, or what is missing of it")
    verb("down", _down, "remove the lab")
    verb("status", _status, "show every host")
    verb("images", _images, "build the images and start nothing")
    command = verb("exec", _exec, "run a command on a host")
    command.add_argument("host")
    command.add_argument("command", nargs=argparse.REMAINDER, help="default: a shell")
    verb("logs", _logs, "show a host's journal since its boot").add_argument("host")
    verb("kill", _kill, "cut a host's power").add_argument("host")
    start = verb("start", _start, "power a host on and plug its cables again")
    start.add_argument("host")
    start.add_argument("--fresh", action="store_true", help="with an installer's default route, as on the first day")
    requests = verb("requests", _requests, "let the client ask the anycast addresses, and count the answers")
    requests.add_argument("what", choices=["start", "status", "stop"])
    requests.add_argument("--rate", type=float, default=RATE, metavar="PER_SECOND", help="of start (%(default)s)")
    requests.add_argument("--path", default="/", help="of start: what for; /page is 40 kB (%(default)s)")
    policy = verb("policy", _policy, "give the master a pillar directory")
    policy.add_argument("directory", nargs="?", type=Path, default=REPO / "pillar")
    settle = verb("settle", _settle, "wait for BGP's default routes and drop the installer's")
    settle.add_argument("--timeout", type=float, default=60, metavar="SECONDS")
    return parser


def _up(options: argparse.Namespace) -> None:
    Fleet(options.name).up()
    command = _command(options)
    print(
        f"The lab is up. `{command} status` shows it, `{command} --help` what to do with it, `{command} down` ends it."
    )


def _command(options: argparse.Namespace) -> str:
    return "lab/lab" if options.name == DEFAULT_NAME else f"lab/lab --name {options.name}"


def _down(options: argparse.Namespace) -> None:
    Fleet(options.name).down()


def _images(options: argparse.Namespace) -> None:
    progress = Progress(1)
    with progress.step("Lab images"):
        ensure(Fleet(options.name).engine, progress)


def _status(options: argparse.Namespace) -> int:
    fleet = Fleet(options.name)
    if not fleet.containers():
        print(f"lab {options.name} is down; `{_command(options)} up` starts it")
        return 1
    states = fleet.system_states()
    print(f"{'HOST':<12} {'ROLE':<8} {'SOFTWARE':<13} {'ADDRESS':<15} STATE")
    for host, state in states.items():
        address = fleet.topology.address(host)
        print(f"{host.name:<12} {host.role:<8} {host.software:<13} {address:<15} {state}")
    return int(set(states.values()) != {"running"})


def _exec(options: argparse.Namespace) -> int:
    fleet = Fleet(options.name)
    name = fleet.container(fleet.topology.host(options.host))
    command = options.command or ["bash"]
    words = fleet.engine.exec_command(name, command, terminal=sys.stdin.isatty() and sys.stdout.isatty())
    os.execvp(words[0], words)


def _logs(options: argparse.Namespace) -> int:
    options.command = ["journalctl", "--boot", "--no-pager"]
    return _exec(options)


def _kill(options: argparse.Namespace) -> None:
    Fleet(options.name).kill(options.host)


def _start(options: argparse.Namespace) -> None:
    Fleet(options.name).start(options.host, fresh=options.fresh)


def _requests(options: argparse.Namespace) -> int:
    fleet = Fleet(options.name)
    if options.what == "start":
        fleet.start_requests(options.rate, options.path)
        return 0
    counted = fleet.stop_requests() if options.what == "stop" else so_far(fleet.exec)
    print(json.dumps(asdict(counted), indent=2))
    return int(counted.lost > 0)


def _policy(options: argparse.Namespace) -> None:
    print(Fleet(options.name).policy(options.directory))


def _settle(options: argparse.Namespace) -> None:
    Fleet(options.name).settle(options.timeout)


if __name__ == "__main__":
    sys.exit(main())
