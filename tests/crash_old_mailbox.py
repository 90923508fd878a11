"""The old mailbox, a folder here, in the scenarios of `crash_scenarios`: what lies in it, what the
old hub has taken from its `statin`, and what the bridge does with it when it is killed.
"""

import json
from pathlib import Path

from bridge.model import HubId
from bridge.naming import Folder, parse_profile
from bridge.sandbox.old_files import OldForm
from bridge.settings import read_profile
from tests.accounts import annotated, said, state_file
from tests.crash_scenarios import Scenario, Town
from tests.crashing import CONFIG
from tests.seen import visible

FORM = OldForm(profile=parse_profile(read_profile("efact")))


def root_of(town: Town) -> Path:
    """Where the old mailbox lies: its changes count among the durable steps."""
    return town.folder / "data" / "old"


def let_it_serve(town: Town) -> None:
    for role in Folder:
        (root_of(town) / role).mkdir(parents=True, exist_ok=True)
    config = town.folder / CONFIG
    text, _, _ = config.read_text().partition("[account.legacy]")
    config.write_text(f'{text}serve = "legacy"\n[account.legacy]\nurl = "file://{root_of(town)}"\n')


def deliver(town: Town, hub_id: HubId) -> None:
    """Put an invoice into the old mailbox as the old hub did."""
    book = town.sandbox.book
    held = book.held(hub_id)
    files = [
        FORM.attachment(held, number, attached)
        for number, attached in enumerate(held.attachments, start=1)
    ]
    for file in [*files, *FORM.invoice(held, now=book.now())]:
        (root_of(town) / file.folder / file.name).write_bytes(file.content)


def delivered(town: Town, attachments: int = 0) -> HubId:
    """Let both feeds have one more invoice, which has to arrive."""
    hub_id = town.invoice(attachments)
    deliver(town, hub_id)
    return hub_id


def take_state_files(town: Town) -> list[tuple[str, str]]:
    """Take what lies in `statin`, as the old hub does; return all that it ever took."""
    record = town.folder / "statin.json"
    taken = [tuple(it) for it in json.loads(record.read_text())] if record.exists() else []
    for path in sorted((root_of(town) / "statin").glob("*.XML")):
        taken.append((path.name, path.read_text()))
        path.unlink()
    record.write_text(json.dumps(taken))
    return taken


FIRST = state_file(annotated("1"), said("1", "CANCELED"))
SECOND = state_file(said("1", "RECEIVED"))
THIRD = state_file(annotated("2"))


def a_day_in_front_of_it(town: Town) -> None:
    """One invoice came through REST before, one is collected, one was taken in the old mailbox."""
    through_rest = town.invoice(attachments=1)
    town.run("pull")
    town.collect()
    town.run("push")
    let_it_serve(town)
    collected, taken_there = delivered(town, attachments=1), delivered(town, attachments=1)
    delivered(town)
    town.run("pull", "push")
    for file in visible(town.root):
        if str(collected) in file.name:
            town.taken.append(file)
            (town.root / file.folder / file.name).unlink()
    for file in visible(root_of(town)):
        if str(taken_there) in file.name or (
            file.folder == "statout" and str(taken_there).encode() in file.content
        ):
            town.taken.append(file)
            (root_of(town) / file.folder / file.name).unlink()
    town.run("pull")
    delivered(town, attachments=1)
    deliver(town, through_rest)
    town.drop("1.XML", FIRST)
    town.drop("2.XML", SECOND)
    town.drop("3.XML", THIRD)
    (root_of(town) / "statin" / "2.XML").write_bytes(b"<not-taken-yet/>")


def go_on_in_front_of_it(town: Town) -> None:
    """Each file is seen once, each state file is passed on once, the hub hears of nothing."""
    writes = town.sandbox.book.requests(operation="update")
    for _ in range(2):
        take_state_files(town)
        town.run("pull", "push")
    town.run("verify")
    told = [content for name, content in take_state_files(town) if name != "2.XML"]
    assert sorted(told) == sorted([FIRST.decode(), THIRD.decode()])
    second = [content for name, content in take_state_files(town) if name == "2.XML"]
    assert second == ["<not-taken-yet/>", SECOND.decode()]
    assert list((town.root / "statin").iterdir()) == []
    town.check_files()
    town.check_each_once()
    town.collect()
    town.run("push", "pull", "push", "verify")
    assert visible(town.root) == []
    town.check_each_once()
    assert town.sandbox.book.requests(operation="update") == writes


OLD_MAILBOX: dict[str, Scenario] = {
    "old mailbox": Scenario(
        arrange=a_day_in_front_of_it,
        commands=("pull", "push"),
        go_on=go_on_in_front_of_it,
    ),
}
