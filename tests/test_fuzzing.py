"""Whatever the core is given, it reads or refuses it, in little memory: see tests/fuzz."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge import feedback
from bridge.errors import RcfFileError
from bridge.facturae import FacturaeError, read_facts
from tests.fuzz.properties import CORPUS, TARGETS

thorough = settings(max_examples=400)

SEEDS = {target: sorted((CORPUS / target).iterdir()) for target in TARGETS}
FILES = [(target, path) for target, paths in SEEDS.items() for path in paths]

Mutation = Callable[[bytes], bytes]


def flip(at: int, bits: int) -> Mutation:
    """Change bits of a byte."""
    return lambda data: _at(data, at, lambda old: bytes([old[0] ^ bits]) if old else b"")


def put(at: int, content: bytes) -> Mutation:
    """Put bytes in between."""
    return lambda data: _at(data, at, lambda old: content + old)


def cut(at: int, size: int) -> Mutation:
    """Take a piece out."""
    return lambda data: data[: at % (len(data) + 1)] + data[at % (len(data) + 1) + size :]


def repeat(at: int, size: int, times: int) -> Mutation:
    """Repeat a piece."""

    def mutate(data: bytes) -> bytes:
        start = at % (len(data) + 1)
        return data[:start] + data[start : start + size] * times + data[start + size :]

    return mutate


def encode(declared: str, real: str) -> Mutation:
    """Write the text in one encoding and declare another."""

    def mutate(data: bytes) -> bytes:
        text = f'<?xml version="1.0" encoding="{declared}"?>' + data.decode("utf-8", "replace")
        return text.encode(real, "replace")

    return mutate


def _at(data: bytes, at: int, change: Callable[[bytes], bytes]) -> bytes:
    start = at % (len(data) + 1)
    return data[:start] + change(data[start : start + 1]) + data[start + 1 :]


places = st.integers(min_value=0, max_value=10_000)
encodings = st.sampled_from(
    ["utf-8", "utf-16", "utf-16-be", "utf-32", "iso-8859-1", "cp1252", "utf-7", "cp037", "idna"]
)
pieces = st.sampled_from(
    (
        *(b"<!--", b"]]>", b"<![CDATA[", b"&#0;", b"&#xD800;", b"&amp;", b"<?xml?>", b"<a>"),
        *(b"</a>", b"<!DOCTYPE a>", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b'xmlns=""', b"@"),
        b"%ED%A0%80",
    )
)
mutations = st.one_of(
    st.builds(flip, places, st.integers(min_value=1, max_value=255)),
    st.builds(put, places, pieces | st.binary(max_size=20)),
    st.builds(cut, places, st.integers(min_value=1, max_value=2_000)),
    st.builds(
        repeat,
        places,
        st.integers(min_value=1, max_value=200),
        st.integers(min_value=2, max_value=30),
    ),
    st.builds(encode, encodings, st.sampled_from(["utf-8", "utf-16", "iso-8859-1", "cp1252"])),
)


@pytest.mark.parametrize(("target", "path"), FILES, ids=[f"{t}/{p.name}" for t, p in FILES])
def test_what_holds_for_any_bytes_holds_for_the_corpus(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.binary(max_size=2_000))
@example(data=b"")
@thorough
def test_any_bytes_are_read_or_refused(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@given(choice=st.integers(min_value=0), changes=st.lists(mutations, min_size=1, max_size=6))
@thorough
def test_a_damaged_document_is_read_or_refused(
    target: str, choice: int, changes: list[Mutation]
) -> None:
    seeds = SEEDS[target]
    data = seeds[choice % len(seeds)].read_bytes()
    for change in changes:
        data = change(data)
    TARGETS[target](data)


@given(text=st.text(max_size=400))
@example(text="a@b@c@1@" + "9" * 5_000 + ".pdf")
@example(text="@" * 2_000)
@thorough
def test_any_name_tells_something_or_nothing(text: str) -> None:
    TARGETS["naming"](text.encode("utf-8", "surrogatepass"))


# -- documents made to be expensive ----------------------------------------------------------------

ENTRY = "<StatusFeedback><InvoiceFeedback>{}</InvoiceFeedback></StatusFeedback>"
BOMB = "".join(f"<!ENTITY e{n} '{10 * f'&e{n - 1};'}'>" for n in range(1, 12))


def wrapped(inner: str, *, root: str) -> bytes:
    return f"<{root}>{inner}</{root}>".encode()


EXPENSIVE: dict[str, Callable[[str], bytes]] = {
    "many elements": lambda root: wrapped("<a/>" * 200_000, root=root),
    "many namespaces": lambda root: wrapped(
        "".join(f'<a xmlns:p{n}="u{n}"/>' for n in range(20_000)), root=root
    ),
    "many attributes": lambda root: wrapped(
        "<a " + "".join(f"a{n}='' " for n in range(50_000)) + "/>", root=root
    ),
    "a huge attribute": lambda root: wrapped(f"<a b='{'x' * 1_000_000}'/>", root=root),
    "a huge name": lambda root: wrapped(f"<{'n' * 40_000}/>", root=root),
    "a huge text": lambda root: wrapped("&#233;" * 200_000, root=root),
    "many entries": lambda root: wrapped("<StatusFeedback/>" * 50_000, root=root),
    "many invoices": lambda root: wrapped("<Invoices><Invoice/></Invoices>" * 30_000, root=root),
    "many states": lambda root: wrapped(ENTRY.format("<Feedback/>" * 20_000), root=root),
    "deep nesting": lambda root: wrapped("<a>" * 2_000 + "</a>" * 2_000, root=root),
    "nesting without end": lambda root: wrapped("<a>" * 300_000, root=root),
    "comments without end": lambda root: wrapped("<!--" * 200_000, root=root),
    "white space before a document type": lambda _: b" " * 1_000_000 + b"<!DOCTYPE a><a/>",
    "comments before a document type": lambda _: b"<!---->" * 100_000 + b"<!DOCTYPE a><a/>",
    "an entity bomb": lambda root: (
        f'<!DOCTYPE a [<!ENTITY e0 "lol">{BOMB}]>'.encode() + wrapped("&e11;", root=root)
    ),
    "an entity from a file": lambda root: (
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + wrapped("&e;", root=root)
    ),
    "a signature of blanks": lambda root: wrapped(" \n" * 500_000, root=root),
}


def read_feedback(content: bytes) -> None:
    try:
        feedback.read(content)
    except RcfFileError:
        return


def read_invoice(content: bytes) -> None:
    try:
        read_facts(content)
    except FacturaeError:
        return


MOST_MEMORY = 40
"""Bytes of Python's memory for each byte of a file. A state of eleven bytes (`<Feedback/>`) becomes
a value of thirteen fields."""


@pytest.mark.parametrize("kind", EXPENSIVE)
@pytest.mark.parametrize(
    ("root", "reader"), [("DeliveryFeedback", read_feedback), ("Facturae", read_invoice)]
)
def test_an_expensive_document_takes_memory_by_its_size(
    root: str, reader: Callable[[bytes], None], kind: str
) -> None:
    content = EXPENSIVE[kind](root)
    tracemalloc.start()
    try:
        reader(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000 + MOST_MEMORY * len(content)


MOST_OF_A_PROCESS = 600
"""Megabytes that the worst file may cost: the file itself, its text, its tree."""


@pytest.mark.parametrize(
    "made",
    [
        pytest.param("b'<Facturae>' + b'<a/>' * 16_000_000 + b'</Facturae>'", id="elements"),
        pytest.param("b'<Facturae>' + b'<a/>x' * 999_000 + b'</Facturae>'", id="just allowed"),
        pytest.param("b'<Facturae>' + b'A' * 66_000_000 + b'</Facturae>'", id="text"),
    ],
)
def test_the_largest_invoices_take_no_more_than_a_bounded_memory(made: str) -> None:
    """In a process of its own, because the parser's memory is not Python's."""
    program = f"from tests.test_fuzzing import read_invoice\nread_invoice({made})\n{TELL_PEAK}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < MOST_OF_A_PROCESS * 1024


TELL_PEAK = """
from pathlib import Path
(line,) = [it for it in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in it]
print(line.split()[1])  # in kilobytes
"""


def test_a_receipt_with_a_letter_outside_ascii_is_no_receipt() -> None:
    message = feedback.read((CORPUS / "feedback" / "receipt-not-ascii.xml").read_bytes())
    (entry,) = message.entries
    assert entry.invoice is not None
    assert entry.invoice.feedbacks[0].acknowledgment is None
    assert entry.invoice.feedbacks[0].status == "REGISTERED"


def test_a_document_with_too_much_markup_is_too_large() -> None:
    with pytest.raises(RcfFileError, match=r"^BR07 .*1,200,002 elements and attributes"):
        feedback.read(wrapped("<a/>" * 1_200_000, root="DeliveryFeedback"))


def test_a_profile_that_its_parser_could_not_bear_is_refused() -> None:
    for text in ("a=" + "[" * 9_000, "a" + ".a" * 100_000 + "=1"):
        TARGETS["profile"](text.encode())
