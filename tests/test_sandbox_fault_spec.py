"""Faults by chance, and the line that asks for them: what may be in it, and what it does."""

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bridge.errors import SettingsError
from bridge.sandbox.fault_spec import FAULTS, SETS, read_spec
from bridge.sandbox.faults import Faults
from bridge.sandbox.server import Sandbox
from tests.gateway import COMMAND
from tests.sandbox_client import Caller, code_of


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=3) as sandbox:
        yield sandbox


@pytest.fixture
def hub(sandbox: Sandbox) -> Iterator[Caller]:
    with Caller(sandbox) as caller:
        yield caller


def struck(faults: Faults, paths: list[str]) -> list[bool]:
    asked: dict[str, Any] = {"operation": "invoice", "hub_id": None, "state": None}
    return [faults.strike(path=path, **asked) is not None for path in paths]


# -- by chance -------------------------------------------------------------------------------------


def test_a_chance_strikes_about_so_many() -> None:
    faults = Faults()
    faults.fail("reset", chance=0.2, times=None)
    hits = struck(faults, [f"/{number}" for number in range(2000)])
    assert 300 < sum(hits) < 500


def test_the_same_seed_strikes_the_same_requests_in_whatever_order_they_come() -> None:
    paths = [f"/{number % 50}" for number in range(500)]
    found = []
    for order in (paths, sorted(paths)):
        faults = Faults(seed=7)
        faults.fail("reset", chance=0.3, times=None)
        hits = struck(faults, order)
        found.append(sorted(path for path, hit in zip(order, hits, strict=True) if hit))
    assert found[0] == found[1]


def test_another_seed_strikes_others() -> None:
    found = []
    for seed in (1, 2):
        faults = Faults(seed=seed)
        faults.fail("reset", chance=0.5, times=None)
        found.append(struck(faults, [f"/{number}" for number in range(100)]))
    assert found[0] != found[1]


def test_a_request_that_was_struck_may_get_through_when_it_comes_again() -> None:
    faults = Faults()
    faults.fail("reset", chance=0.5, times=None)
    assert set(struck(faults, ["/1"] * 50)) == {True, False}


# -- answers of a hub that is careless or newer ----------------------------------------------------


def test_a_list_can_repeat_its_rows(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("repeat")
    rows = hub.get("/factures-pendents").json()["factures"]
    assert [row["id"] for row in rows] == [*sandbox.book.hub_ids] * 2


def test_a_list_can_change_its_order(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("reorder")
    rows = hub.get("/factures-pendents").json()["factures"]
    assert [row["id"] for row in rows] == [*sandbox.book.hub_ids][::-1]


def test_an_answer_can_have_unknown_fields(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("extra", operation="pending_invoices")
    answer = hub.get("/factures-pendents").json()
    assert "campNou" in answer
    assert all("campNou" in row for row in answer["factures"])


def test_an_answer_can_lack_fields_but_no_ids(hub: Caller, sandbox: Sandbox) -> None:
    whole = hub.get(f"/factura/{sandbox.book.hub_ids[0]}").json()
    sandbox.book.faults.fail("missing", times=None)
    answer = hub.get(f"/factura/{sandbox.book.hub_ids[0]}").json()
    assert answer.items() < whole.items()
    assert answer["nif"] == whole["nif"]
    rows = hub.get("/factures-pendents").json()["factures"]
    assert [row["id"] for row in rows] == [*sandbox.book.hub_ids]


def test_an_answer_can_show_an_unknown_state(hub: Caller, sandbox: Sandbox) -> None:
    one = sandbox.book.hub_ids[0]
    sandbox.book.faults.fail("strange-state", times=None)
    assert hub.get(f"/factura/{one}").json()["estat"] == "ARCHIVED"
    assert {row["estat"] for row in hub.get(f"/factura/{one}/estats").json()["estats"]} == {
        "ARCHIVED"
    }
    assert hub.patch(one, estat="DELIVERED").json()["estat"] == "ARCHIVED"
    assert sandbox.book.states(one)[-1] == "DELIVERED"


def test_an_error_can_have_an_unknown_code(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("strange-code")
    assert code_of(hub.get("/ens")) == (500, 9876)
    sandbox.book.faults.fail("strange-code", code=3099, status=400)
    assert code_of(hub.get("/ens")) == (400, 3099)


def test_what_alters_an_answer_leaves_files_and_refusals_alone(
    hub: Caller, sandbox: Sandbox
) -> None:
    one = sandbox.book.hub_ids[0]
    for kind in ("repeat", "extra", "missing", "strange-state"):
        sandbox.book.faults.fail(kind, times=None)
    assert hub.get(f"/factura/{one}/facturae").content == sandbox.book.held(one).facturae()
    assert code_of(hub.get("/factura/1")) == (404, 2001)


# -- the line --------------------------------------------------------------------------------------


def test_a_line_names_faults_with_their_chances_and_seconds() -> None:
    (error, hang) = read_spec("500:0.1, hang:1:40").faults
    assert (error.kind, error.chance, error.times) == ("error", 0.1, None)
    assert (hang.kind, hang.chance, hang.seconds) == ("hang", 1, 40)


def test_a_write_that_is_lost_was_applied(hub: Caller, sandbox: Sandbox) -> None:
    read_spec("lost:1").come_over(sandbox.book)
    one = sandbox.book.hub_ids[0]
    with pytest.raises(httpx.ReadError):
        hub.patch(one, estat="DELIVERED")
    assert hub.get(f"/factura/{one}").json()["estat"] == "DELIVERED"


@pytest.mark.parametrize(("spec", "code"), [("clock:600", 1008), ("clock:-600", 1009)])
def test_the_hubs_clock_can_be_off_both_ways(spec: str, code: int) -> None:
    with Sandbox(invoices=0, faults=spec) as sandbox, Caller(sandbox) as hub:
        assert code_of(hub.get("/ens")) == (401, code)


def test_poisoned_invoices_draw_9999_for_ever_and_the_others_do_not() -> None:
    with Sandbox(invoices=3, faults="poison:2") as sandbox, Caller(sandbox) as hub:
        first, second, third = sandbox.book.hub_ids
        for _ in range(3):
            assert code_of(hub.get(f"/factura/{first}")) == (500, 9999)
            assert code_of(hub.get(f"/factura/{second}/facturae")) == (500, 9999)
            assert hub.get(f"/factura/{third}").status_code == 200


@pytest.mark.parametrize("name", [*FAULTS, *SETS, "poison"])
def test_every_name_can_stand_alone(name: str) -> None:
    trouble = read_spec(name)
    assert trouble.faults or trouble.poisoned == 1


def test_parts_add_up() -> None:
    trouble = read_spec("rough,drift,poison:3,clock:-5")
    assert len(trouble.faults) == len(read_spec("rough").faults) + len(read_spec("drift").faults)
    assert (trouble.poisoned, trouble.clock_offset) == (3, -5)


@pytest.mark.parametrize(
    "spec",
    [
        *("quake", "500:", "500:x", "500:2", "500:-1", "500:nan", "hang:1:-2", "500:0.1:1:1"),
        *("500:0.1,,reset", "rough:0.5", "clock", "clock:inf", "poison:0", "poison:1.5"),
    ],
)
def test_a_line_that_is_wrong_is_refused_with_the_part_that_is(spec: str) -> None:
    with pytest.raises(SettingsError, match="--faults: '"):
        read_spec(spec)


def test_the_control_interface_takes_a_line_too(hub: Caller, sandbox: Sandbox) -> None:
    answer = hub.control("POST", "/faults", json={"spec": "500:1,clock:30"})
    assert [fault["kind"] for fault in answer.json()["faults"]] == ["error"]
    assert sandbox.book.clock_offset == 30
    assert code_of(hub.get("/ens")) == (500, 9999)
    assert hub.control("POST", "/faults", json={"spec": "quake"}).status_code == 400


def test_the_command_refuses_a_wrong_line_in_one_line() -> None:
    done = subprocess.run(
        [str(COMMAND), "sandbox", "--faults", "rough,quake"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'quake'" in done.stderr


def test_the_command_makes_the_trouble_that_it_is_asked_for() -> None:
    command = [str(COMMAND), "sandbox", "--invoices", "1", "--faults", "html:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = next(line.split()[-1] for line in process.stdout if line.startswith("REST API"))
            assert httpx.get(f"{url}/ens").status_code == 500
        finally:
            process.terminate()
