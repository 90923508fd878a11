"""How the bridge is: looked up in ledger and mailbox, said to scripts and to people.

facts       what is to be known, as frozen values
looking     finds it out
turns       which update waits for which, and until when
blaming     whose fault a trouble is
shadow      how the recording of the shadow feed stands
findings    which of it needs a look, by rules; those about the feeds, the hub, the software and
            a restored backup are in modules beside it
page        the same in words, for the terminal and the web
listings    its lists
text        on a terminal
document    as JSON
life        the whole life of one invoice or one state update
"""

from bridge.status.document import as_json
from bridge.status.facts import Status
from bridge.status.life import Life, life
from bridge.status.looking import caller_of, look
from bridge.status.text import as_rich, as_text

__all__ = ["Life", "Status", "as_json", "as_rich", "as_text", "caller_of", "life", "look"]
