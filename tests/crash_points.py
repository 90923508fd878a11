"""Every durable step of the bridge, and why the process may die right before it.

`test_crash.py` compares this list with what the scenarios really do, and prints the lines that are
missing here or too many. A reason tells what a restart finds, and who puts it right.
"""

POINTS: dict[str, str] = {
    # The ledger and its journal
    "make folder in bridge.ledger.database.Ledger.__init__": "made if missing",
    "commit in bridge.ledger.migrate.upgrade": "a schema is made in one transaction or not at all",
    "create in bridge.ledger.journal.Journal._alone": "the ledger knows what the journal lacks",
    "write in bridge.ledger.journal.Journal._alone": "the ledger knows what the journal lacks",
    "commit in bridge.recovery._write_down": "the journal still has what the ledger forgot",
    "commit in bridge.recovery._note": "message numbers are looked up again from the names",
    "commit in bridge.repair._tell": "nothing is left to repair; that it was is in the log",
    "commit in bridge.verifying.verify": "whoever gave the command gives it again",
    "commit in bridge.retention.remove_outdated": "the file is still there, and still outdated",
    "remove in bridge.mailbox.Archive.remove": "the file is still there, and still outdated",
    # Making or recognising a mailbox
    "make folder in bridge.mailbox.Mailbox.prepare": "made if missing",
    "make folder in bridge.mailbox.Mailbox._make": "made if missing",
    "make folder in bridge.mailbox.Archive.prepare": "made if missing",
    "sync folder in bridge.mailbox.Archive.prepare": "nothing is in the folders yet",
    "create in bridge.mailbox.Mailbox._make": "a mark in staging is no mark",
    "sync file in bridge.mailbox.Mailbox._make": "a mark in staging is no mark",
    "rename in bridge.mailbox.Mailbox._make": "no mark yet: another one is made",
    "sync folder in bridge.mailbox.Mailbox._make": "the ledger does not know the mark yet",
    "commit in bridge.placing.prepare": "the mark that lies there is taken",
    "create in bridge.mailbox.Mailbox.mark_placing": "what was being placed is made ready again",
    "sync folder in bridge.mailbox.Mailbox.mark_placing": "made ready again, which is repeatable",
    "commit in bridge.placing._recognise_folders": "the folders are looked at again",
    "remove in bridge.mailbox.Mailbox.take_confirmation": "the confirmation still stands",
    # Listing
    "commit in bridge.inbound.Inbound._note_listing": "the hub lists it again",
    "commit in bridge.inbound.Inbound._note_attachments": "the hub lists it again",
    "commit in bridge.inbound.Inbound._note_trouble": "the delivery is tried again",
    "commit in bridge.inbound.Inbound._note_late_trouble": "the attachment is tried again",
    "commit in bridge.inbound.Inbound._leave_out": "the ledger knows that the software had it",
    "commit in bridge.learning._write_down": "the folder is read again by whoever gave the command",
    # Fetching
    "make folder in bridge.mailbox.Mailbox.staged": "made if missing",
    "create in bridge.hub.download._save": "staging is cleared, the file is fetched again",
    "create in bridge.mailbox.Mailbox.keep_bytes": "staging is cleared, the file is made again",
    "remove in bridge.fetching.fetch_facturae": "staging is cleared",
    "sync file in bridge.mailbox.Archive.hold": "not in the archive yet: it comes again",
    "link in bridge.mailbox.Archive.hold": "not in the archive yet: it comes again",
    "sync folder in bridge.mailbox.Archive.hold": "what is archived twice is one file",
    "remove in bridge.mailbox.Archive.keep": "staging is cleared",
    # Placing
    "commit in bridge.placing.message_ids": "a number that nobody used is no loss",
    "link in bridge.mailbox.Mailbox.make_ready": "a link that the ledger does not know is replaced",
    "sync folder in bridge.mailbox.Mailbox.make_ready": "the ledger does not know the links yet",
    "commit in bridge.placing.place": "the links are made again",
    "rename in bridge.mailbox.Mailbox.show": "still in `placing`: it is shown at the start",
    "sync folder in bridge.mailbox.Mailbox.show": "in one of the two places, whichever it is",
    "commit in bridge.placing._show": "shown, or shown and collected: the folder tells which",
    "commit in bridge.placing.look_for_collected": "it is still missing at the next look",
    # Acknowledging
    "PATCH in bridge.acknowledge.tell_delivered": "the delivery is still due",
    "commit in bridge.acknowledge._acknowledge": "the hub is asked, and shows DELIVERED",
    "commit in bridge.acknowledge._note_trouble": "the delivery is still due",
    "DELETE in bridge.acknowledge._drop_pending_mark": "the mark is still due",
    "commit in bridge.acknowledge._drop_pending_mark": "the hub does not know the mark any more",
    "commit in bridge.acknowledge._note_attachment_trouble": "the mark is still due",
    # Taking state files
    "create in bridge.mailbox.Mailbox.keep_dropped": "the file is still in statin",
    "commit in bridge.taking._enter": "the file is still in statin, and only there",
    "rename in bridge.mailbox.Mailbox.remove": "in statin and in the ledger: known by its bytes",
    "remove in bridge.mailbox.Mailbox.remove": "staging is cleared",
    "sync folder in bridge.mailbox.Mailbox.remove": "should it come back: known by its bytes",
    "commit in bridge.taking._take": "it is missing in statin: noted at the next look",
    "commit in bridge.taking._note_left": "it is missing in statin: noted at the next look",
    "commit in bridge.taking.retry": "nothing was queued: the operator sees it refused",
    "commit in bridge.taking._note_cut_off": "the bytes still lie in staging",
    "remove in bridge.mailbox.Mailbox.forget_partial": "handed over again: known by its bytes",
    "remove folder in bridge.mailbox.Mailbox.forget_partial": "an empty folder is no upload",
    # Sending
    "commit in bridge.sending._begin": "still queued, nothing was sent",
    "PATCH in bridge.sending._patch": "`sending`: the hub is asked, and does not show it",
    "commit in bridge.sending._accept": "`sending`: the hub is asked, and shows it",
    "commit in bridge.sending._end": "`sending`: the hub is asked",
    "commit in bridge.sending._refuse": "the hub is asked once more, and refuses once more",
    "commit in bridge.sending._deliver_first": "only a count; the hub shows DELIVERED",
    "commit in bridge.sending._postpone": "it is sent again sooner",
    "commit in bridge.sending._send_in_order": "`sending`: the hub is asked",
    # Noting how hub and account are
    "commit in bridge.rounds._note_hub": "the next round notes it",
    "commit in bridge.rounds._noted": "the next round notes it",
    "commit in bridge.rounds.pull_round": "the next round notes it",
    # Uploads, renames and deletions at a door: nothing was confirmed to the client yet
    "make folder in bridge.facade.folders.DoorMailbox.prepare": "made if missing",
    "make folder in bridge.facade.uploads.Upload.begin": "nothing was sent yet",
    "create in bridge.facade.uploads.Upload.begin": "an empty folder is no upload",
    "sync file in bridge.facade.uploads.Upload.finish": "cut off: kept in the archive",
    "rename in bridge.facade.uploads.Upload.finish": "cut off: kept in the archive",
    "link in bridge.facade.uploads.Upload.finish": "cut off: kept in the archive",
    "remove in bridge.facade.uploads.Upload.finish": "whole in statin, and kept as cut off beside",
    "sync folder in bridge.facade.uploads.Upload.finish": "whole, or cut off",
    "remove folder in bridge.facade.uploads.Upload._close": "an empty folder is no upload",
    "link in bridge.facade.tree._move": "the old name",
    "remove in bridge.facade.tree._move": "both names: the client sees that it failed",
    "rename in bridge.facade.tree._move": "the old name",
    "sync folder in bridge.facade.tree.Visit.rename": "the old name or the new one",
    "remove in bridge.facade.tree.Visit.remove": "still there",
    "sync folder in bridge.facade.tree.Visit.remove": "there or gone",
}

UNREACHED: dict[str, str] = {
    "bridge.inbound.Inbound._note_enclosed": "needs an attachment newer than the list",
    "bridge.service._run": "says which components run: not a step of any promise",
    "bridge.supervisor.Supervisor._note": "says which components run: not a step of any promise",
}
"""Functions that write to the ledger and that no scenario calls, and why that must do."""
