"""The committed table of docs/clients.md and the matrix of clients: one and the same."""

import inspect

from tests import clients_table, test_door_clients
from tests.door_clients import ROUNDS


def test_the_table_of_results_has_every_client_and_every_test() -> None:
    takes_a_client = {
        test
        for test, function in vars(test_door_clients).items()
        if test.startswith("test_") and "client" in inspect.signature(function).parameters
    }
    assert set(clients_table.COLUMNS) == takes_a_client
    heads, _, *rows = clients_table.committed()
    assert heads == ["client", "version", "protocol", *clients_table.COLUMNS.values()]
    assert [row[0] for row in rows] == list(ROUNDS)
    assert all("**no**" not in row for row in rows)
