"""The promises, seen from outside, when the process is killed before any of its durable steps.

The steps list themselves: every scenario runs once undisturbed, and what it did for good, in the
ledger, on disk or at the hub, is a point to be killed at. `tests/crash_points.py` says of each why
it is safe to die there; a step that is not on that list, or is on it and never made, fails here.
"""

import ast
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import Path
from random import Random

import pytest

import bridge
from bridge.durable import lock
from bridge.sandbox.server import Sandbox
from tests.crash_old_mailbox import OLD_MAILBOX
from tests.crash_points import POINTS, UNREACHED
from tests.crash_scenarios import SCENARIOS as OTHERS
from tests.crash_scenarios import Scenario, Town, forget
from tests.crashing import CONFIG, Crasher, Kill

SCENARIOS = OTHERS | OLD_MAILBOX

PATIENCE = 300
"""Seconds that a test process waits for another one to do the scenarios; far more than needed."""

pytestmark = pytest.mark.timeout(PATIENCE + 60)  # who is late would read the next one's answer

MOST_KILLS = 40
"""After so many in a row the process is left to live."""


@pytest.fixture(scope="module")
def crasher() -> Iterator[Crasher]:
    with Crasher() as running:
        yield running


@pytest.fixture(scope="module")
def hub() -> Iterator[Sandbox]:
    with Sandbox(invoices=0) as running:
        yield running


Open = Callable[[Scenario], Town]


@pytest.fixture(scope="module")
def open_town(crasher: Crasher, hub: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Give a way to bring a new town hall to where a scenario begins."""
    numbers, folder = count(1), tmp_path_factory.mktemp("towns")

    def arranged(scenario: Scenario) -> Town:
        forget(hub)
        place = folder / str(next(numbers))
        town = Town(crasher, hub, place, scenario.acknowledge, scenario.feeds)
        scenario.arrange(town)
        return town

    return arranged


@pytest.fixture(scope="module")
def made(open_town: Open, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """Give how often each scenario makes each durable step when nothing disturbs it.

    The first of the test processes finds out, and tells the others.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    told = shared / "durable-steps.json"
    with lock(shared / "durable-steps.lock", wait=PATIENCE):
        if not told.exists():
            told.write_text(json.dumps(dict(watched(open_town))))
    return {name: Counter(steps) for name, steps in json.loads(told.read_text()).items()}


def watched(open_town: Open) -> Iterator[tuple[str, Counter[str]]]:
    """Do every scenario undisturbed, and tell which steps it made."""
    for name, scenario in SCENARIOS.items():
        town = open_town(scenario)
        done = town.run(*scenario.commands)
        scenario.go_on(town)
        yield name, Counter(done.steps)


def test_every_durable_step_is_known_to_be_safe_to_die_at(made: dict[str, Counter[str]]) -> None:
    reached = set(chain.from_iterable(made.values()))
    missing = [f'    "{step}": "",' for step in sorted(reached - set(POINTS))]
    assert not missing, "say in tests/crash_points.py why it is safe:\n" + "\n".join(missing)
    gone = sorted(set(POINTS) - reached)
    assert not gone, "take out of tests/crash_points.py, nothing does this:\n" + "\n".join(gone)


def test_every_function_that_writes_to_the_ledger_is_killed_at() -> None:
    known = {step.removeprefix("commit in ") for step in POINTS} | set(UNREACHED)
    missing = sorted(set(writers()) - known)
    assert not missing, "let a scenario of tests/crash_scenarios.py do:\n" + "\n".join(missing)


def writers() -> Iterator[str]:
    """Find the functions of the bridge that say `with ….ledger.write()`."""
    package = Path(bridge.__file__).parent
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        yield from _writers(ast.parse(path.read_text()), module)


def _writers(inside: ast.AST, name: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(inside):
        if isinstance(node, ast.With) and any(map(_opens_ledger, node.items)):
            yield name
        is_named = isinstance(node, ast.FunctionDef | ast.ClassDef)
        yield from _writers(node, f"{name}.{node.name}" if is_named else name)


def _opens_ledger(item: ast.withitem) -> bool:
    return ast.unparse(item.context_expr).endswith("ledger.write()")


@pytest.mark.parametrize("step", POINTS)
def test_a_kill_before_this_step_breaks_no_promise(
    open_town: Open, made: dict[str, Counter[str]], step: str
) -> None:
    times = {name: steps[step] for name, steps in made.items() if steps[step]}
    for name, kill in kills(step, times):
        scenario = SCENARIOS[name]
        town = open_town(scenario)
        assert town.run(*scenario.commands, kill=kill).killed, f"{name}: no {kill}"
        scenario.go_on(town)


def kills(step: str, times: dict[str, int]) -> Iterator[tuple[str, Kill]]:
    """Choose in which scenarios to die, and when: the first time, and the last with a power cut.

    Before a sync a kill makes no difference. `EFACT_KILLS` chooses many more, for a run by hand.
    """
    first, *_, last = [*times, *times]
    if not step.startswith("sync"):
        yield first, Kill(step=step)
    yield last, Kill(step=step, nth=times[last], power_cut=True)
    if os.environ.get("EFACT_KILLS"):
        for name, most in times.items():
            for nth in range(1, min(most, 20) + 1):
                yield name, Kill(step=step, nth=nth)
                yield name, Kill(step=step, nth=nth, power_cut=True)


@pytest.mark.parametrize(
    "step",
    [
        "commit in inbound.placing.begin",
        "rename in mailbox.Mailbox.show",
        "sync folder in mailbox.Mailbox.sync",
        "commit in inbound.placing._note_shown",
    ],
)
def test_a_power_cut_while_many_invoices_are_placed_together_breaks_no_promise(
    open_town: Open, step: str
) -> None:
    scenario = SCENARIOS["first pull"]
    town = open_town(scenario)
    settings = town.folder / CONFIG
    settings.write_text(settings.read_text().replace("max_connections = 1", "max_connections = 8"))
    for _ in range(12):
        town.invoice(attachments=1)
    assert town.run("pull", kill=Kill(step=step, nth=2, power_cut=True)).killed
    scenario.go_on(town)


@pytest.mark.parametrize("name", ["first pull", "usual day", "state files"])
def test_kills_one_after_the_other_break_no_promise(open_town: Open, name: str) -> None:
    """What mends the last kill is killed too: a little further on, or at the same place."""
    random = Random(os.environ.get("EFACT_KILLS", "") + name)
    town = open_town(SCENARIOS[name])
    for _ in range(MOST_KILLS):
        kill = Kill(nth=random.randint(1, 30), power_cut=random.choice((True, False)))
        if not town.run(*SCENARIOS[name].commands, kill=kill).killed:
            break
        town.check_files()
    SCENARIOS[name].go_on(town)
