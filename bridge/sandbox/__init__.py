"""The sandbox: a pretend hub on loopback, to try software against before there are credentials.

`server.Sandbox` starts it inside a process (tests, `demo`), `command.run_sandbox` serves it from
the command line. `docs/sandbox.md` says what it does where the hub's page leaves a choice open.
"""
