"""JSch, the SSH library of much Java software, as Debian has it (0.1.55 of 2018).

The small program beside this file is compiled once for each process of the tests, by the compiler
that is part of a Java runtime without its command `javac`.
"""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.door_clients.program import Program
from tests.door_rig import USER
from tests.programs import require_file

SOURCE = Path(__file__).with_name("JschRound.java")
JAR = Path("/usr/share/java/jsch.jar")

_QUICK = ["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


@functools.cache
def classes(java: str, jar: Path) -> Path:
    """Return the folder with the compiled program."""
    folder = Path(tempfile.mkdtemp(prefix="efact-test-java-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    compiler = [java, *_QUICK, "-m", "jdk.compiler/com.sun.tools.javac.Main"]
    subprocess.run([*compiler, "-cp", jar, "-d", folder, SOURCE], check=True)
    return folder


class Jsch(Program):
    """JSch, with a password."""

    program = "java"

    def command(self, *words: str) -> list[str]:
        jar = require_file(JAR, "libjsch-java")
        path = f"{classes(self.path, jar)}{os.pathsep}{jar}"
        about = [str(self.port), USER, self.password]
        return [
            self.path,
            *_QUICK,
            "-Dfile.encoding=UTF-8",
            "-cp",
            path,
            "JschRound",
            *about,
            *words,
        ]

    def names(self, folder: str) -> list[str]:
        return sorted(self.run(*self.command("names", folder)).splitlines())

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.run(*self.command("fetch", path, str(local)))
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.run(*self.command("delete", path))

    def put(self, path: str, data: bytes) -> None:
        self.run(*self.command("put", path, str(self.local(data))))

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.run(*self.command("put_and_rename", path, to, str(self.local(data))))

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        return self.begin(*self.command("put_half", path, str(self.local(data))))

    def version(self) -> str:
        return self.package("libjsch-java")
