"""`efact-reconcile report` end to end: the sandbox's two feeds, a real ledger, how it ends."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bridge import __version__
from bridge.model import State, StateUpdate
from bridge.sandbox.alterations import CONTENTS
from bridge.sandbox.scenarios import Kind, Scene
from bridge.sandbox.server import Sandbox
from reconcile.by_id import CUT_OFF
from reconcile.compare import SEVERAL_FILES
from reconcile.model import Outcome
from tests.accounts import annotated, paid, rejected, state_file
from tests.door_rig import wait_until
from tests.gateway import install
from tests.old_mailboxes import Servers
from tests.towns import Town, outcomes, town

EVERY_KIND = ",".join(f"{kind}:{7 if kind is Kind.DIFFERENT else 2}" for kind in Kind)


@pytest.fixture
def agreeing(tmp_path: Path) -> Iterator[Town]:
    """Give a town whose two feeds are the same."""
    with town(tmp_path, "identical:3") as found:
        yield found


def expected(scenes: Sequence[Scene], *, settled: bool) -> dict[str, str]:
    """What a report should say of what it sees for the first time, with a grace time or without."""
    fresh = {Kind.ONLY_REST: Kind.IN_FLIGHT}
    late = {"rest": Kind.ONLY_REST, "legacy": Kind.ONLY_LEGACY}
    return {
        scene.hub_id: late.get(scene.what, scene.kind)
        if settled
        else fresh.get(scene.kind, scene.kind)
        for scene in scenes
    }


def files_below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


# -- exactly what was mixed ----------------------------------------------------------------------


def test_a_folder_beside_rest_is_reported_exactly(tmp_path: Path) -> None:
    with town(tmp_path, EVERY_KIND) as it:
        report = it.of_folder("--all", code=1)
        # REST was first seen by this very report: what it alone has is still in flight.
        assert outcomes(report) == expected(it.sandbox.scenes, settled=False)
        named = {
            row["hub_id"]: {d["field"] for d in row["differences"]} for row in report["invoices"]
        }
        for scene in it.sandbox.scenes:
            assert named[scene.hub_id] >= ({scene.field} if scene.field else set())


def test_both_feeds_out_of_the_ledger_are_reported_exactly(tmp_path: Path) -> None:
    with town(tmp_path, EVERY_KIND, shadow=True) as it:
        it.pull()
        report = it.report("--all", "--grace", "0", code=1)
        assert outcomes(report) == expected(it.sandbox.scenes, settled=True)
        shown = it.report("--grace", "0", "--recorded", code=1)
        assert outcomes(shown) == {
            hub_id: kind for hub_id, kind in outcomes(report).items() if kind != "identical"
        }
        assert (
            shown["counts"]
            == report["counts"]
            == {it.value: Counter(outcomes(report).values())[it] for it in Outcome}
        )
        assert it.is_verified()


def test_a_message_that_cannot_be_read_leaves_the_outcome_to_the_files(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2", shadow=True) as it:
        assert it.sandbox.old_mailbox is not None
        message = min((it.sandbox.old_mailbox.root / "statout").iterdir())
        message.write_bytes(message.read_bytes()[:300])
        it.pull()
        assert it.report("--grace", "0", code=0)["counts"]["identical"] == 2
        (account,) = it.gateway.status()["accounts"]
        assert account["shadow_feed"]["unrecognised_files"] == [f"statout/{message.name}"]


# -- the verdict and how the command ends --------------------------------------------------------


def test_a_folder_that_agrees_is_ready(agreeing: Town) -> None:
    report = agreeing.of_folder(code=0)
    assert (report["verdict"], report["reasons"], report["invoices"]) == ("ready", [], [])
    assert report["counts"]["identical"] == 3
    assert report["verified_through"] is not None


def test_a_folder_of_invoices_alone_is_enough(agreeing: Town) -> None:
    for folder in ("adjout", "statout"):
        shutil.rmtree(agreeing.saved / folder)
    flat = agreeing.saved / "any" / "depth"
    (agreeing.saved / "out").rename(flat.parent)
    agreeing.of_folder(code=0)


def test_a_file_without_a_hub_id_in_its_name_is_the_invoice_that_rest_lists(agreeing: Town) -> None:
    shutil.rmtree(agreeing.saved / "statout")
    for number, path in enumerate(sorted((agreeing.saved / "out").iterdir())):
        path.rename(path.with_name(f"factura {number}.xml"))
    agreeing.of_folder(code=0)
    agreeing.of_folder("--grace", "0", code=0)
    agreeing.pull()
    agreeing.of_folder("--grace", "0", code=0)


def test_a_second_file_without_a_hub_id_makes_a_duplicate_of_the_invoice(agreeing: Town) -> None:
    path = next((agreeing.saved / "out").iterdir())
    content = CONTENTS["amount"].change(path.read_bytes())
    (agreeing.saved / "factura.xml").write_bytes(content)
    hub_id = path.stem.split("@")[3]
    report = agreeing.of_folder(code=1)
    assert outcomes(report) == {hub_id: "duplicate"}
    assert report["invoices"][0]["note"] == f"legacy: {SEVERAL_FILES}"
    agreeing.run("accept", hub_id, "--reason", "known")
    text = agreeing.run("report", "--legacy", str(agreeing.saved)).out
    assert re.search(r"Findings accepted +1\n", text)


def test_what_the_hub_lists_no_more_is_asked_for_by_id(agreeing: Town) -> None:
    for hub_id in agreeing.sandbox.book.hub_ids:
        agreeing.sandbox.book.set_state(hub_id, State.DELIVERED)
    agreeing.of_folder(code=0)


@pytest.mark.parametrize("pulled", [True, False])
def test_an_attachment_that_rest_does_not_have_is_a_difference(
    agreeing: Town, *, pulled: bool
) -> None:
    if pulled:
        agreeing.pull()
    invoice = min((agreeing.saved / "out").iterdir())
    (agreeing.saved / "adjout" / f"{invoice.stem}@009.pdf").write_bytes(b"%PDF-1.4")
    (row,) = agreeing.of_folder(code=1)["invoices"]
    assert row["outcome"] == "different"
    assert [each["field"] for each in row["differences"]] == ["attachments", "attachment 9"]


def test_an_invoice_that_the_hub_knows_and_does_not_list_is_only_legacy(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2") as it:
        hub_id = it.sandbox.book.hub_ids[0]
        del it.sandbox.book._pending[hub_id]
        report = it.of_folder(code=1)
        assert outcomes(report) == {hub_id: "only-legacy"}


def test_what_a_list_that_is_cut_off_hides_is_compared_and_the_cut_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.sandbox.book.CAP", 1)
    with town(tmp_path, "identical:8") as it:
        report = it.of_folder("--all", code=1)
        assert [reason["kind"] for reason in report["reason_kinds"]] == ["capped-slice"]
        assert report["verified_through"] is None
        assert report["counts"]["identical"] == 8
        assert {row.get("note") for row in report["invoices"]} == {None, f"rest: {CUT_OFF}"}


def test_what_the_settings_leave_out_is_not_delivered_whatever_its_state(tmp_path: Path) -> None:
    with Sandbox(invoices=6, old_mailbox=True) as sandbox:
        held = [sandbox.book.held(hub_id).invoice for hub_id in sandbox.book.hub_ids]
        ours = held[0].receiver_nif
        it = Town(
            sandbox=sandbox,
            gateway=install(tmp_path, sandbox, account=f'nifs = ["{ours}"]'),
            saved=tmp_path / "saved",
        )
        assert sandbox.old_mailbox is not None
        shutil.copytree(sandbox.old_mailbox.root, it.saved)
        for hub_id in sandbox.book.hub_ids:
            sandbox.book.set_state(hub_id, State.ANNOTATED)
        others = {invoice.hub_id for invoice in held if invoice.receiver_nif != ours}
        assert outcomes(it.of_folder(code=1)) == dict.fromkeys(others, "only-legacy")


def test_one_that_was_rejected_and_sent_again_is_no_duplicate(tmp_path: Path) -> None:
    with town(tmp_path, "duplicate:2") as it:
        first = next(scene for scene in it.sandbox.scenes if scene.what == "two hub ids")
        it.sandbox.book.set_state(first.hub_id, State.REJECTED)
        report = it.of_folder("--all")
        twins = [s.hub_id for s in it.sandbox.scenes if s.what == "two hub ids"]
        assert {outcomes(report)[hub_id] for hub_id in twins} == {"identical"}


def test_an_empty_ledger_is_not_ready(tmp_path: Path) -> None:
    with town(tmp_path, "", invoices=0) as it:
        report = it.report(code=1)
        assert [reason["kind"] for reason in report["reason_kinds"]] == [
            "not-recorded-legacy",
            "empty-rest",
            "too-few-invoices",
        ]


def test_two_empty_sides_are_not_ready(tmp_path: Path) -> None:
    with town(tmp_path, "", invoices=0) as it:
        report = it.of_folder(code=1)
        kinds = [reason["kind"] for reason in report["reason_kinds"]]
        assert kinds[:2] == ["empty-legacy", "empty-rest"]


def test_a_hub_that_is_away_is_said_and_the_report_is_made(agreeing: Town) -> None:
    agreeing.pull()
    agreeing.sandbox.stop()
    report = agreeing.of_folder(code=3)
    assert report["counts"]["identical"] == 3
    assert [reason["kind"] for reason in report["reason_kinds"]] == ["out-of-reach-rest"]


def test_an_old_mailbox_that_is_away_is_said_and_the_report_is_made(tmp_path: Path) -> None:
    with town(tmp_path, "identical:3", shadow=True) as it:
        it.pull()
        it.report(code=0)
        assert it.sandbox.old_mailbox is not None
        it.sandbox.old_mailbox.stop()
        report = it.report(code=3)
        assert report["counts"]["identical"] == 3
        kinds = [reason["kind"] for reason in report["reason_kinds"]]
        assert kinds == ["out-of-reach-legacy"]


def test_an_old_mailbox_that_serves_and_is_away_is_said(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2", shadow=True) as it:
        it.let_old_mailbox_serve()
        it.pull()
        it.report()
        assert it.sandbox.old_mailbox is not None
        it.sandbox.old_mailbox.stop()
        kinds = [reason["kind"] for reason in it.report(code=3)["reason_kinds"]]
        assert kinds == ["out-of-reach-legacy"]


def test_without_ledger_and_hub_there_is_one_line(agreeing: Town) -> None:
    agreeing.sandbox.stop()
    result = agreeing.run("report")
    told = [line for line in result.err.splitlines() if line.startswith("efact-reconcile:")]
    assert (result.code, result.out, len(told)) == (3, "", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--since", "2026-02-30"),
        ("--since", "2026-03-02", "--until", "2026-03-01"),
        ("--grace", "soon"),
        ("--grace", "-1h"),
        ("--format", "pdf"),
        ("--lang", "fr"),
        ("--account", "nobody"),
        ("--legacy", ""),
        ("--legacy", "/there/is/no/such/folder"),
        ("--legacy", "sftp://rcf@127.0.0.1:1/"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with Sandbox(invoices=0) as sandbox:
        it = Town(sandbox=sandbox, gateway=install(tmp_path, sandbox), saved=tmp_path)
        result = it.run("report", *arguments)
        assert (result.code, result.out) == (2, "")


def test_several_accounts_have_to_be_told_apart(tmp_path: Path) -> None:
    with Sandbox(invoices=0) as sandbox:
        gateway = install(tmp_path, sandbox)
        text = gateway.config.read_text()
        more = text[text.index("[[account]]") : text.index("[[account.user]]")]
        gateway.config.write_text(text + more.replace('"ajuntament"', '"other"'))
        result = Town(sandbox=sandbox, gateway=gateway, saved=tmp_path).run("report")
        assert result.code == 2
        assert "ajuntament, other" in result.err


def test_an_unknown_blocker_is_refused(tmp_path: Path) -> None:
    with Sandbox(invoices=0) as sandbox:
        gateway = install(tmp_path, sandbox, sections=['[reconcile]\nblockers = ["colour"]'])
        result = Town(sandbox=sandbox, gateway=gateway, saved=tmp_path).run("report")
        assert result.code == 2
        assert "blockers" in result.err


@pytest.mark.parametrize("blockers", [(), ("different", "receipt")])
def test_another_receipt_is_told_and_makes_a_difference_where_the_settings_say_so(
    tmp_path: Path, blockers: tuple[str, ...]
) -> None:
    with town(tmp_path, "identical:1,receipt:1", shadow=True) as it:
        if blockers:
            with it.gateway.config.open("a") as settings:
                settings.write(f"[reconcile]\nblockers = {list(blockers)}\n")
        it.pull()
        report = it.report("--all", code=int(bool(blockers)))
        found = {row["hub_id"]: row for row in report["invoices"]}
        other = next(scene for scene in it.sandbox.scenes if scene.what == "receipt")
        assert found[other.hub_id]["outcome"] == ("different" if blockers else "identical")
        assert [each["field"] for each in found[other.hub_id]["differences"]] == ["receipt"]
        assert report["evidence"]["receipts"] == 2


# -- what one report leaves for the next ---------------------------------------------------------


def test_an_accepted_finding_stays_and_no_longer_blocks(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2,only-legacy:1") as it:
        (row,) = it.of_folder(code=1)["invoices"]
        done = it.run("accept", row["hub_id"], "--reason", "cancelled by phone")
        assert done.code == 0, done.err
        report = it.of_folder(code=0)
        assert report["invoices"][0]["accepted"]["reason"] == "cancelled by phone"
        assert it.is_verified()


def test_other_files_are_another_finding_than_the_accepted_one(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2,only-legacy:1") as it:
        (row,) = it.of_folder(code=1)["invoices"]
        it.run("accept", row["hub_id"], "--reason", "cancelled by phone")
        (path,) = (it.saved / "out").glob(f"*@{row['hub_id']}.XML")
        path.write_bytes(path.read_bytes() + b"\n")
        assert it.of_folder(code=1)["invoices"][0]["accepted"] is None


def test_only_a_finding_of_the_last_report_can_be_accepted(agreeing: Town) -> None:
    agreeing.of_folder()
    result = agreeing.run("accept", "4711", "--reason", "why not")
    assert (result.code, result.out) == (1, "")


def test_what_was_in_flight_and_is_nowhere_now_is_a_finding(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2,in-flight:2") as it:
        flying = next(s for s in it.sandbox.scenes if s.what == "legacy")
        assert outcomes(it.of_folder())[flying.hub_id] == "in-flight"
        (path,) = (it.saved / "out").glob(f"*@{flying.hub_id}.XML")
        path.unlink()
        for _ in range(2):  # and it stays one
            report = it.of_folder(code=1)
            found = {row["hub_id"]: row for row in report["invoices"]}[flying.hub_id]
            assert (found["outcome"], found["was_in_flight"]) == ("only-legacy", True)


def test_an_invoice_that_was_in_flight_stays_marked_until_it_is_on_both_sides(
    tmp_path: Path,
) -> None:
    with town(tmp_path, "identical:1,in-flight:2") as it:
        flying = next(s for s in it.sandbox.scenes if s.what == "legacy").hub_id
        assert outcomes(it.of_folder())[flying] == "in-flight"
        for _ in range(3):
            rows = it.of_folder("--grace", "0", code=1)["invoices"]
            found = {row["hub_id"]: row for row in rows}[flying]
            assert (found["outcome"], found["was_in_flight"]) == ("only-legacy", True)


def test_a_report_over_a_few_days_lets_none_forget_what_was_in_flight(tmp_path: Path) -> None:
    with town(tmp_path, "identical:1,in-flight:2") as it:
        flying = next(s for s in it.sandbox.scenes if s.what == "legacy").hub_id
        assert outcomes(it.of_folder())[flying] == "in-flight"
        (path,) = (it.saved / "out").glob(f"*@{flying}.XML")
        path.unlink()
        assert flying not in outcomes(it.of_folder("--until", "2001-01-01", code=1))
        assert outcomes(it.of_folder(code=1))[flying] == "only-legacy"


def test_what_the_hub_listed_is_not_gone_where_it_was_not_asked(agreeing: Town) -> None:
    agreeing.pull()
    hub_id = agreeing.sandbox.book.add_invoice()
    assert outcomes(agreeing.of_folder())[hub_id] == "in-flight"
    assert hub_id not in outcomes(agreeing.of_folder("--recorded"))
    assert outcomes(agreeing.of_folder())[hub_id] == "in-flight"


def test_what_was_in_flight_in_a_folder_and_has_gone_is_a_finding_without_the_hub_too(
    tmp_path: Path,
) -> None:
    with town(tmp_path, "identical:1,in-flight:2") as it:
        it.pull()
        flying = next(s for s in it.sandbox.scenes if s.what == "legacy").hub_id
        assert outcomes(it.of_folder())[flying] == "in-flight"
        (path,) = (it.saved / "out").glob(f"*@{flying}.XML")
        path.unlink()
        assert outcomes(it.of_folder("--recorded", code=1))[flying] == "only-legacy"


def test_a_report_on_other_files_lets_none_forget_what_was_in_flight(tmp_path: Path) -> None:
    with town(tmp_path, "identical:1,in-flight:2") as it:
        flying = next(s for s in it.sandbox.scenes if s.what == "legacy").hub_id
        assert outcomes(it.of_folder())[flying] == "in-flight"
        (path,) = (it.saved / "out").glob(f"*@{flying}.XML")
        path.unlink()
        other = tmp_path / "other"
        other.mkdir()
        assert flying not in outcomes(it.report("--legacy", str(other), code=1))
        assert outcomes(it.of_folder(code=1))[flying] == "only-legacy"


def test_a_report_without_the_hub_lets_none_forget_what_was_in_flight(tmp_path: Path) -> None:
    with town(tmp_path, "identical:1,in-flight:2") as it:
        flying = next(s for s in it.sandbox.scenes if s.what == "legacy").hub_id
        assert outcomes(it.of_folder())[flying] == "in-flight"
        (path,) = (it.saved / "out").glob(f"*@{flying}.XML")
        path.unlink()
        it.sandbox.stop()
        assert flying not in outcomes(it.of_folder(code=3))
        it.sandbox.start()
        assert outcomes(it.of_folder(code=1))[flying] == "only-legacy"


def test_a_third_file_opens_an_accepted_duplicate_again(agreeing: Town) -> None:
    first = min((agreeing.saved / "out").iterdir())
    hub_id = first.stem.rpartition("@")[2]

    def another(name: str) -> None:
        (agreeing.saved / name).mkdir()
        (agreeing.saved / name / first.name).write_bytes(first.read_bytes() + name.encode())

    def duplicate() -> dict[str, Any]:
        (row,) = agreeing.of_folder()["invoices"]
        assert row["outcome"] == "duplicate"
        return dict(row)

    another("\n")
    duplicate()
    assert agreeing.run("accept", hub_id, "--reason", "sent twice, one cancelled").code == 0
    assert duplicate()["accepted"]
    another("\n\n")
    assert duplicate()["accepted"] is None
    assert agreeing.is_verified()


def test_grace_runs_from_the_first_report_where_nothing_else_saw_an_invoice(tmp_path: Path) -> None:
    with town(tmp_path, "identical:1,only-rest:1") as it:
        (hub_id,) = (s.hub_id for s in it.sandbox.scenes if s.kind is Kind.ONLY_REST)
        assert outcomes(it.of_folder("--grace", "0.001", code=0)) == {hub_id: "in-flight"}
        assert outcomes(it.of_folder("--grace", "0.001", code=1)) == {hub_id: "only-rest"}


def test_a_csv_of_what_only_reports_have_seen_stays_the_same(agreeing: Town) -> None:
    made = ("report", "--legacy", str(agreeing.saved), "--format", "csv", "--all")
    assert agreeing.run(*made).out == agreeing.run(*made).out


def test_a_report_says_which_hub_it_read_and_by_what_it_was_made(agreeing: Town) -> None:
    report = agreeing.of_folder()
    made = (report["rest_source"], report["version"])
    assert made == (agreeing.sandbox.base_url, __version__)
    page = agreeing.run("report", "--legacy", str(agreeing.saved), "--format", "html").out
    assert all(part in page for part in (*made, "Europe/Madrid"))


def test_a_folder_and_rest_are_counted_on_the_same_days(agreeing: Town) -> None:
    days = agreeing.of_folder()["days"]
    assert [(day["legacy"], day["rest"]) for day in days] == [(3, 3)]


def test_a_report_is_written_through_a_link_and_into_a_pipe(agreeing: Town) -> None:
    agreeing.pull()
    real, link, pipe = (agreeing.saved.parent / name for name in ("real", "link", "pipe"))
    link.symlink_to(real)
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_bytes)
        for path in (pipe, link):
            agreeing.run("report", "--recorded", "-o", str(path))
        assert read.result().startswith(b"Verified through")
    assert link.is_symlink()
    assert pipe.is_fifo()
    assert real.read_text().startswith("Verified through")


def test_the_trend_shows_every_report(agreeing: Town) -> None:
    agreeing.of_folder()
    agreeing.of_folder()
    told = json.loads(agreeing.run("report", "--history", "--format", "json").out)
    assert [report["verdict"] for report in told["reports"]] == ["ready", "ready"]


# -- how it is written ---------------------------------------------------------------------------


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    with town(tmp_path, EVERY_KIND) as it:
        it.pull()
        first, second = (it.of_folder("--all") for _ in range(2))
        first.pop("generated_at")
        second.pop("generated_at")
        assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize("form", ["text", "json", "csv", "html", "xlsx"])
def test_a_file_is_written_whole(agreeing: Town, form: str) -> None:
    target = agreeing.saved.parent / f"report.{form}"
    result = agreeing.run(
        "report", "--legacy", str(agreeing.saved), "--format", form, "-o", str(target)
    )
    assert result.code == 0, result.err
    assert target.stat().st_size > 100
    assert [path.name for path in target.parent.glob(".report*")] == []


def test_a_file_that_cannot_be_written_is_said(agreeing: Town) -> None:
    result = agreeing.run(
        "report", "--legacy", str(agreeing.saved), "-o", str(agreeing.saved / "no" / "report")
    )
    assert result.code == 1
    assert "report" in result.err


# -- states --------------------------------------------------------------------------------------


def test_the_software_s_state_files_are_compared_with_the_hub(agreeing: Town) -> None:
    one, other, _ = agreeing.sandbox.book.hub_ids
    given = {"a.XML": annotated(one, "R-1"), "b.XML": paid(other)}
    for name, update in given.items():
        path = agreeing.saved / "statin" / name
        path.write_bytes(state_file(update))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    shown = StateUpdate(state=State.ANNOTATED, register_number="R-1")
    agreeing.sandbox.book.set_state(one, shown)
    report = agreeing.of_folder(code=1)
    assert report["evidence"]["states_seen"] == ["ANNOTATED"]
    assert [(row["hub_id"], row["parity"]) for row in report["states"]] == [(other, "missing")]
    assert [reason["kind"] for reason in report["reason_kinds"]] == ["state-mismatch"]
    registered = agreeing.sandbox.book.invoice(other).registered_at
    assert datetime.fromisoformat(report["verified_through"]) == registered


# -- other ways to run both ----------------------------------------------------------------------


def test_an_old_mailbox_that_serves_is_compared_with_rest_in_its_shadow(tmp_path: Path) -> None:
    with town(tmp_path, "identical:3,different:1", shadow=True) as it:
        it.let_old_mailbox_serve()
        it.pull()
        report = it.report("--all")
        assert outcomes(report) == expected(it.sandbox.scenes, settled=False)
        assert it.sandbox.book.requests(operation="update") == ()


def test_states_that_were_passed_on_to_the_old_mailbox_are_compared_with_the_hub(
    tmp_path: Path,
) -> None:
    with town(tmp_path, "identical:3", shadow=True) as it:
        it.let_old_mailbox_serve()
        it.pull()
        one, other, _ = it.sandbox.book.hub_ids
        for name, update in (("a.XML", annotated(one, "R-1")), ("b.XML", rejected(other, "mal"))):
            (it.gateway.mailbox / "statin" / name).write_bytes(state_file(update))
        it.push()
        book = it.sandbox.book
        wait_until(lambda: State.ANNOTATED in book.states(one), "the old hub takes a.XML")
        wait_until(lambda: State.REJECTED in book.states(other), "the old hub takes b.XML")
        report = it.report("--grace", "0", code=0)
        seen = report["evidence"]
        assert (seen["states_seen"], seen["state_updates"]) == (["ANNOTATED", "REJECTED"], 2)
        assert report["states"] == []
        methods = {each.method for each in it.sandbox.book.requests(operation="update")}
        assert methods == {"STATIN"}


def test_an_old_mailbox_can_be_given_by_its_address(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2,different:1", shadow=True) as it:
        assert it.sandbox.old_mailbox is not None
        report = it.report("--legacy", it.sandbox.old_mailbox.url, "--all")
        assert outcomes(report) == expected(it.sandbox.scenes, settled=False)


@pytest.mark.parametrize("kind", ["ftp", "ftps"])
def test_an_old_mailbox_can_be_given_by_its_ftp_address(
    kind: str, tmp_path: Path, servers: Servers
) -> None:
    old = servers(kind).mailbox(tmp_path.name)
    with town(tmp_path, "identical:2,different:1,equivalent:1") as it:
        shutil.copytree(it.saved, old.base, dirs_exist_ok=True)
        with it.gateway.config.open("a") as settings:
            settings.write(
                f'[account.legacy]\nurl = "{old.legacy.url}"\n'
                f'password_file = "{old.legacy.password_file}"\n'
                f'certificate = "{old.legacy.certificate}"\n'
            )
        before = files_below(old.base)
        report = it.report("--legacy", old.legacy.url, "--all", code=1)
        assert outcomes(report) == expected(it.sandbox.scenes, settled=False)
        assert files_below(old.base) == before


def test_a_report_on_a_few_days_leaves_the_others_out(tmp_path: Path) -> None:
    with town(tmp_path, "identical:2,only-legacy:1") as it:
        assert it.of_folder("--since", "2026-03-02", code=1)["counts"]["identical"] == 2
        it.of_folder("--since", "0001-01-01", "--until", "9999-12-31", code=1)
        report = it.of_folder("--since", "2026-03-03", code=1)
        assert report["verified_through"] is None
        assert sum(report["counts"].values()) == 0
        assert outcomes(report) == {}


# -- folders, without a hub ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, list[Scene]]]:
    """Give a town whose ledger has all that REST gave of many scenes."""
    folder = tmp_path_factory.mktemp("town")
    with town(folder, ",".join(f"{kind}:6" for kind in Kind)) as it:
        it.pull()
        yield it, list(it.sandbox.scenes)


@pytest.mark.parametrize("seed", range(8))
def test_any_part_of_a_folder_is_reported_exactly(
    recorded_town: tuple[Town, list[Scene]], tmp_path: Path, seed: int
) -> None:
    it, scenes = recorded_town
    random = Random(seed)
    kept = {scene.hub_id for scene in scenes if random.random() < 0.6}
    for path in it.saved.rglob("*@*"):
        hub_ids = {part.partition(".")[0] for part in path.name.split("@")[3:4]}
        if path.parent.name != "statout" and hub_ids & kept:
            below = tmp_path / path.parent.name / str(random.randrange(3))
            below.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, below / path.name)
    report = it.report("--legacy", str(tmp_path), "--recorded", "--all", "--grace", "0")
    assert outcomes(report) == {
        scene.hub_id: _as_in(kept, scene) for scene in scenes if _is_anywhere(kept, scene)
    }


def _is_anywhere(kept: set[Any], scene: Scene) -> bool:
    return scene.on_rest or scene.hub_id in kept


def _as_in(kept: set[Any], scene: Scene) -> str:
    """What a report says of a scene where the folder has only these invoices."""
    if scene.what == "two hub ids":
        return Kind.DUPLICATE
    if scene.hub_id not in kept or not scene.legacy:
        return Kind.ONLY_REST
    return Kind.ONLY_LEGACY if not scene.on_rest else scene.kind
