"""Thousands of imitated minions in one process, over Salt's real channels to a real master. Used by `bench/rollout.py`.

One key is authenticated; the bench copies it, with its session, under every other id in the master's folders. One
subscription hears every job, and returns are sent under the id of each host that the job is for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import salt.channel.client
import salt.config
import salt.transport

SENDERS = 8
"""Returns under way at once."""

STATES = ("staged", "withdrawn", "xdp", "tc", "bird", "confirmed", "boot")


class Minions:
    """Hosts: what each runs, and how long it takes to do what it is told."""

    def __init__(self, plans: dict[str, list[str]], work: float, settle: float) -> None:
        self._new = {host: new for host, (_, new) in plans.items()}
        self._runs = {host: old for host, (old, _) in plans.items()}
        self._confirmed = dict(self._runs)
        self._seen: set[tuple[str, str]] = set()
        self._work, self._settle = work, settle

    def __contains__(self, host: str) -> bool:
        return host in self._runs

    def first(self, jid: str, host: str) -> bool:
        """Whether this host has not had the job, as a minion remembers."""
        key = (jid, host)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def seconds(self, function: str, kwargs: dict[str, Any], host: str) -> float:
        """How long it takes: the work, plus what a host waits for late answers before it or its engine confirms."""
        if function == "traffic.confirm":
            return self._settle
        if function != "state.apply":
            return 0.05
        work = self._work * random.Random(host).uniform(0.5, 1.5)
        by_engine = kwargs.get("pillar", {}).get("tidegate", {}).get("confirm") == "engine"
        return work if by_engine else work + self._settle

    def run(self, function: str, kwargs: dict[str, Any], host: str) -> Any:
        """What it returns."""
        match function:
            case "state.apply":
                self._runs[host] = self._new[host]
                return _states(self._new[host])
            case "traffic.confirm":
                self._confirmed[host] = self._runs[host]
                return {"outcome": "confirmed", "reason": "it is confirmed", "report": self._report(host)}
            case "traffic.report":
                return self._report(host)
        return {}

    def _report(self, host: str) -> dict[str, Any]:
        check = {"name": "bird: session lhr1-transit is up", "status": "ok", "reason": "Established"}
        return {
            "plan": self._runs[host],
            "confirmed": self._confirmed[host],
            "pending": None,
            "reverted": {},
            "health": {"status": "ok", "generation": "0" * 16, "checks": [check] * 10},
            "drift": {},
            "drift_reason": None,
            "drift_id": None,
            "boot": "b",
            "left_alone": False,
        }


def _states(plan: str) -> dict[str, Any]:
    return {
        f"traffic_|-{name}_|-{name}_|-{name}": {
            "name": name,
            "result": True,
            "changes": {"lines": ["one line of what changed on this host"] * 5},
            "comment": f"{name}: generation 0123456789abcdef (plan {plan[:12]}) is as planned, in some words",
            "__run_num__": number,
            "__sls__": f"traffic.{name}",
            "__id__": name,
            "duration": 12.3,
            "start_time": "12:00:00.000000",
        }
        for number, name in enumerate(STATES)
    }


class Wire:
    """The channels to the master."""

    def __init__(self, opts: dict[str, Any], minions: Minions) -> None:
        self._opts, self._minions = opts, minions
        self._returns: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, ready: Path, go: Path) -> None:
        """Authenticate, say so, wait until the key was copied, and work until the process is ended."""
        loop = asyncio.get_running_loop()
        self._request = salt.channel.client.AsyncReqChannel.factory(self._opts, crypt="aes", io_loop=loop)
        await self._request.connect()
        await self._request.auth.authenticate()
        self._token = self._request.auth.gen_token(b"salt")
        subscription = salt.channel.client.AsyncPubChannel.factory(self._opts, io_loop=loop)
        await subscription.auth.authenticate()
        await subscription.connect()
        subscription.on_recv(self._heard)
        senders = [asyncio.create_task(self._send()) for _ in range(SENDERS)]
        ready.touch()
        while not go.exists():
            await asyncio.sleep(0.1)
        await asyncio.gather(*senders)

    async def _heard(self, payload: dict[str, Any]) -> None:
        job = payload["load"]
        hosts = job["tgt"] if isinstance(job["tgt"], list) else []
        kwargs: dict[str, Any] = {}
        for argument in job["arg"]:
            if isinstance(argument, dict) and argument.get("__kwarg__"):
                kwargs = argument
        for host in hosts:
            if host in self._minions and self._minions.first(job["jid"], host):
                seconds = self._minions.seconds(job["fun"], kwargs, host)
                asyncio.get_running_loop().call_later(seconds, self._done, job, kwargs, host)

    def _done(self, job: dict[str, Any], kwargs: dict[str, Any], host: str) -> None:
        answer = self._minions.run(job["fun"], kwargs, host)
        base = {"cmd": "_return", "id": host, "jid": job["jid"], "fun": job["fun"], "fun_args": job["arg"]}
        self._returns.put_nowait({**base, "return": answer, "retcode": 0, "success": True})

    async def _send(self) -> None:
        transport = salt.transport.request_client(self._opts, asyncio.get_running_loop())
        await transport.connect()
        while True:
            load = await self._returns.get()
            load.update(nonce=uuid.uuid4().hex, ts=int(time.time()), tok=self._token)
            message = {
                "enc": "aes",
                "load": self._request.auth.session_crypticle.dumps(load),
                "version": 3,
                "id": load["id"],
                "enc_algo": self._opts["encryption_algorithm"],
                "sig_algo": self._opts["signing_algorithm"],
            }
            for _ in range(3):
                try:
                    await transport.send(message, timeout=120)
                    break
                except Exception as error:
                    print(f"{load['id']}: {error!r}", file=sys.stderr, flush=True)


def main() -> None:
    """Imitate until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("plans", type=Path)
    parser.add_argument("ready", type=Path)
    parser.add_argument("go", type=Path)
    parser.add_argument("--work", type=float, required=True)
    parser.add_argument("--settle", type=float, required=True)
    told = parser.parse_args()
    opts = salt.config.minion_config(told.config)
    opts["master_uri"] = f"tcp://127.0.0.1:{opts['master_port']}"
    opts["master_ip"] = "127.0.0.1"
    for folder in ("pki_dir", "cachedir", "sock_dir"):
        Path(opts[folder]).mkdir(parents=True, exist_ok=True)
    minions = Minions(json.loads(told.plans.read_text()), told.work, told.settle)
    asyncio.run(Wire(opts, minions).run(told.ready, told.go))


if __name__ == "__main__":
    main()
