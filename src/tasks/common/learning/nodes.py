"""One training on several machines: which of them this one is, and where the ranks of all can be reached.

Each machine runs the stage's command once, under torchrun or srun, and starts its own ranks.
"""

from __future__ import annotations

import functools
import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    from tasks.common.learning.trainer import TrainerParams

LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 300.0
_PORTS_FROM, _PORTS = 20_000, 10_000
_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST", "SLURM_JOB_ID")


@dataclass(frozen=True)
class Place:
    """Machine `node` of `nodes`; the first one is met at `host` and `port`."""

    node: int
    nodes: int
    host: str = LOOPBACK
    port: int = 0


def is_follower(trainer: TrainerParams | None) -> bool:
    """Whether another machine writes what comes of this training. Raises TaskError as place_of does."""
    return trainer is not None and trainer.nodes > 1 and place_of(trainer.nodes, os.environ).node > 0


def place_of(nodes: int, environment: Mapping[str, str]) -> Place:
    """Where this process stands by torchrun's variables, or Slurm's.

    Raises TaskError where they say nothing, or speak of another number of machines.
    """
    if nodes == 1:
        return Place(0, 1)
    if all(environment.get(name) for name in _TORCHRUN):
        names, how = _TORCHRUN, f"torchrun --nnodes {nodes} --nproc-per-node 1"
        # torchrun itself listens at the port that it tells.
        port = _number(environment, "MASTER_PORT") + ("TORCHELASTIC_RUN_ID" in environment)
        host = environment["MASTER_ADDR"]
    elif all(environment.get(name) for name in _SLURM):
        names, how = _SLURM, f"srun --nodes {nodes} --ntasks-per-node 1"
        # A job's own, for two jobs may share a machine.
        port = _PORTS_FROM + _number(environment, "SLURM_JOB_ID") % _PORTS
        host = _first_host(environment["SLURM_NODELIST"])
    else:
        raise TaskError(
            f"the parameter nodes is {nodes}, but nothing says which of them this machine is; start it on each "
            "by srun --ntasks-per-node 1 or torchrun --nproc-per-node 1, or set nodes to 1."
        )
    node, count = (_number(environment, name) for name in names[:2])
    if count != nodes or node >= nodes:
        raise TaskError(
            f"the parameter nodes is {nodes}, but {names[0]} is {node} and {names[1]} is {count}; start one process on "
            f"each machine, as by {how}."
        )
    return Place(node, nodes, host, port)


def addresses_of(place: Place, devices: int, phase: str) -> tuple[str, ...]:
    """A free address `host:port` for every rank of every machine, `devices` a machine, in order.

    Waits for the other machines. Raises TaskError where not all come.
    """
    own = [f"{_own_host(place)}:{port}" for port in _free_ports(devices)]
    if place.nodes == 1:
        return tuple(own)
    told = _tell_all(place, f"{phase}/addresses", json.dumps(own))
    return tuple(str(address) for text in told for address in json.loads(text))


def wait_for_readers(trainer: TrainerParams, phase: str) -> None:
    """Return once every machine has read the last checkpoint of a phase, which the first then may remove.

    Raises TaskError where not all come.
    """
    if trainer.nodes > 1:
        _tell_all(place_of(trainer.nodes, os.environ), f"{phase}/read", "yes")


def _tell_all(place: Place, what: str, text: str) -> list[str]:
    """What each machine tells, in order."""
    store = _store(place)
    try:
        store.set(f"{what}/{place.node}", text)
        return [store.get(f"{what}/{node}").decode() for node in range(place.nodes)]
    except RuntimeError as error:
        raise _not_all(place) from error


@functools.cache
def _store(place: Place) -> Any:
    from torch.distributed import TCPStore

    patience = timedelta(seconds=PATIENCE_SECONDS)
    try:
        return TCPStore(place.host, place.port, place.nodes, place.node == 0, timeout=patience, wait_for_workers=False)
    except RuntimeError as error:
        raise _not_all(place) from error


def _not_all(place: Place) -> TaskError:
    return TaskError(
        f"not all of the {place.nodes} machines met at {place.host}:{place.port} within {PATIENCE_SECONDS:.0f} "
        "seconds; start the command on all of them, and let them reach that port."
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    if not re.fullmatch(r"\d{1,9}", environment[name], re.ASCII):
        raise TaskError(f'the environment variable {name} is "{environment[name]}", which is no number; correct it.')
    return int(environment[name])


def _first_host(hosts: str) -> str:
    """The first of Slurm's list, such as gpu07 of `gpu[07-09,12],login`."""
    first = re.match(r"([^\[,]+)(?:\[(\w+))?", hosts)
    if first is None:
        raise TaskError(f'the environment variable SLURM_NODELIST is "{hosts}", which is no list of hosts; correct it.')
    return first[1] + (first[2] or "")


def _own_host(place: Place) -> str:
    """The address that the other machines reach this one by: that of the way to the first machine."""
    if place.nodes == 1:
        return LOOPBACK
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            place.host, place.port or 1, socket.AF_INET, socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise TaskError(f"the first machine's name {place.host} leads nowhere ({error}); correct it.") from error


def _free_ports(count: int) -> list[int]:
    # All at once, or one might be given out twice.
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
