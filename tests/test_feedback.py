"""DeliveryFeedback: read as real software writes it, written as the schema wants it."""

import base64
import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from bridge.errors import RcfFileError
from bridge.feedback import (
    MADRID,
    DeliveryFeedback,
    Feedback,
    HubFeedback,
    InvoiceFeedback,
    StatusFeedback,
    read,
    read_date,
    read_time,
    write,
)
from bridge.model import LegacyStatus

SCHEMA = Path(__file__).parents[2] / "shared" / "spec" / "DeliveryFeedback.xsd"

BODY = """<DeliveryFeedback><StatusFeedback><HubFeedback><HubId>123</HubId></HubFeedback>
<InvoiceFeedback><InvoiceId>F·7/2024</InvoiceId><Supplier><Cif>A1</Cif></Supplier>
<Buyer><Cif>P1</Cif></Buyer><InvoiceDate>2024-03-01</InvoiceDate><Feedback>
<Status> REJECTED </Status><StatusDate>2024-03-02T10:00:00+01:00</StatusDate>
<Reason><Code>R1</Code><Description>Col·legi no vàlid – sense càrrec</Description></Reason>
</Feedback></InvoiceFeedback></StatusFeedback></DeliveryFeedback>"""
REASON = "Col·legi no vàlid – sense càrrec"


def declared(encoding: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n{BODY}'


def only(content: bytes) -> InvoiceFeedback:
    (entry,) = read(content).entries
    assert entry.invoice is not None
    return entry.invoice


def state(inner: str) -> Feedback:
    content = f"""<DeliveryFeedback><StatusFeedback><InvoiceFeedback><Feedback>{inner}
    </Feedback></InvoiceFeedback></StatusFeedback></DeliveryFeedback>"""
    (feedback,) = only(content.encode()).feedbacks
    return feedback


def refusal(content: bytes, **limits: int) -> str:
    with pytest.raises(RcfFileError) as caught:
        read(content, **limits)
    return str(caught.value)


class TestEncodings:
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(declared("UTF-8").encode(), id="utf-8"),
            pytest.param(declared("UTF-8").encode("utf-8-sig"), id="utf-8 with a mark"),
            pytest.param(BODY.encode(), id="nothing declared"),
            pytest.param(BODY.encode("utf-8-sig"), id="a mark and nothing declared"),
            pytest.param(declared("windows-1252").encode("cp1252"), id="windows-1252"),
            pytest.param(declared("ISO-8859-1").encode("cp1252"), id="cp1252 called iso-8859-1"),
            pytest.param(declared("UTF-8").encode("cp1252"), id="cp1252 called utf-8"),
            pytest.param(declared("x-unheard-of").encode("cp1252"), id="cp1252 called anything"),
            pytest.param(BODY.encode("cp1252"), id="cp1252 and nothing declared"),
            pytest.param(declared("ISO-8859-1").encode(), id="utf-8 called iso-8859-1"),
            pytest.param(declared("UTF-16").encode(), id="utf-8 called utf-16"),
            pytest.param(declared("UTF-16").encode("utf-16"), id="utf-16"),
            pytest.param(declared("UTF-16").encode("utf-16-be"), id="utf-16 without a mark"),
            pytest.param(BODY.encode("utf-16-le"), id="utf-16 without mark and declaration"),
            pytest.param(declared("UTF-8").encode("utf-16"), id="utf-16 called utf-8"),
            pytest.param(b"\r\n " + declared("UTF-8").encode(), id="white space before"),
            pytest.param(declared("UTF-8").encode() + b"\r\n\x00\x00 ", id="NUL bytes after"),
        ],
    )
    def test_a_file_is_read_whatever_its_encoding(self, content: bytes) -> None:
        assert only(content).feedbacks[0].reason == REASON
        assert only(content).invoice_id == "F·7/2024"

    def test_a_file_in_latin_1_is_read(self) -> None:
        content = declared("ISO-8859-1").replace("–", "-").encode("iso-8859-1")
        assert only(content).feedbacks[0].reason == REASON.replace("–", "-")

    def test_another_declared_encoding_of_one_byte_is_believed(self) -> None:
        content = declared("ISO-8859-15").replace("–", "€").encode("iso-8859-15")
        assert only(content).feedbacks[0].reason == REASON.replace("–", "€")


class TestTolerance:
    def test_elements_may_stand_in_any_order_at_every_level(self) -> None:
        tree = etree.fromstring(BODY.encode())
        for element in list(tree.iter()):
            element[:] = reversed(list(element))
        shuffled = etree.tostring(tree)
        assert shuffled.index(b"InvoiceFeedback") < shuffled.index(b"HubFeedback")
        assert read(shuffled) == read(BODY.encode())

    @pytest.mark.parametrize(
        ("start", "prefix"), [(' xmlns="urn:x"', ""), (' xmlns:df="urn:x"', "df:")]
    )
    def test_any_namespace_and_prefix_will_do(self, start: str, prefix: str) -> None:
        content = BODY.replace("</", "\x01").replace("<", f"<{prefix}").replace("\x01", "</")
        content = content.replace("</", f"</{prefix}")
        content = content.replace("DeliveryFeedback>", f"DeliveryFeedback{start}>", 1)
        assert read(content.encode()) == read(BODY.encode())

    def test_comments_and_cdata_do_not_cut_a_text(self) -> None:
        assert state("<Status>PA<!-- x --><?p i?><![CDATA[ID]]></Status>").status == "PAID"

    def test_everything_may_be_missing(self) -> None:
        content = b"<DeliveryFeedback><StatusFeedback/></DeliveryFeedback>"
        assert read(content).entries == (StatusFeedback(),)
        assert state("") == Feedback()

    def test_a_file_without_entries_is_read_as_empty(self) -> None:
        assert read(b"<DeliveryFeedback/>") == DeliveryFeedback()

    def test_empty_elements_count_as_missing(self) -> None:
        assert state("<Status/><Reason><Code> </Code></Reason>") == Feedback()

    def test_texts_are_trimmed(self) -> None:
        assert state("<RcfRegNumber>\n  2024/1\t</RcfRegNumber>").rcf_register_number == "2024/1"

    def test_several_entries_and_states_keep_their_order(self) -> None:
        one = "<InvoiceFeedback>{}</InvoiceFeedback>".format(
            "".join(f"<Feedback><Status>{word}</Status></Feedback>" for word in ("A", "B"))
        )
        content = f"<DeliveryFeedback>{f'<StatusFeedback>{one}</StatusFeedback>' * 2}"
        message = read(f"{content}</DeliveryFeedback>".encode())
        states = [[f.status for f in e.invoice.feedbacks] for e in message.entries if e.invoice]
        assert states == [["A", "B"], ["A", "B"]]

    def test_a_second_invoice_in_an_entry_does_not_inherit_the_hub_id(self) -> None:
        content = b"""<DeliveryFeedback><StatusFeedback><HubFeedback><HubId>1</HubId></HubFeedback>
        <InvoiceFeedback><InvoiceId>A</InvoiceId></InvoiceFeedback>
        <InvoiceFeedback><InvoiceId>B</InvoiceId></InvoiceFeedback>
        </StatusFeedback></DeliveryFeedback>"""
        assert read(content).entries == (
            StatusFeedback(hub=HubFeedback(hub_id="1"), invoice=InvoiceFeedback(invoice_id="A")),
            StatusFeedback(invoice=InvoiceFeedback(invoice_id="B")),
        )

    def test_a_receipt_is_read_whatever_its_format_is_called(self) -> None:
        document = base64.encodebytes(b"%PDF-1.4 " * 30).decode()
        inner = f"<formatType>txt</formatType><document>\n{document}</document>"
        feedback = state(f"<ElectronicAcknowledgment>{inner}</ElectronicAcknowledgment>")
        assert feedback.acknowledgment == b"%PDF-1.4 " * 30

    def test_a_receipt_that_is_not_base64_is_none(self) -> None:
        inner = "<ElectronicAcknowledgment><document>abcde</document></ElectronicAcknowledgment>"
        assert state(inner).acknowledgment is None


class TestDates:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2024-01-05T10:20:30+01:00", "2024-01-05T10:20:30+01:00"),
            ("2024-01-05T10:20:30Z", "2024-01-05T10:20:30+00:00"),
            ("2024-01-05T10:20:30-0500", "2024-01-05T10:20:30-05:00"),
            ("2024-01-05T10:20:30", "2024-01-05T10:20:30+01:00"),
            ("2024-07-05T10:20:30", "2024-07-05T10:20:30+02:00"),
            ("2024-07-05T10:20:30.123", "2024-07-05T10:20:30.123000+02:00"),
            ("2024-07-05T10:20:30.1234567+02:00", "2024-07-05T10:20:30.123456+02:00"),
            ("2024-01-05 10:20", "2024-01-05T10:20:00+01:00"),
            ("2024-01-05", "2024-01-05T00:00:00+01:00"),
            ("2024-01-05Z", "2024-01-05T00:00:00+01:00"),
            ("2024-01-05+02:00", "2024-01-05T00:00:00+01:00"),
            ("2024/01/05", "2024-01-05T00:00:00+01:00"),
            ("20240105", "2024-01-05T00:00:00+01:00"),
            ("05/01/2024", "2024-01-05T00:00:00+01:00"),
            ("31-12-2024 08:00:00", "2024-12-31T08:00:00+01:00"),
        ],
    )
    def test_a_sloppy_time_is_understood(self, text: str, expected: str) -> None:
        moment = read_time(text)
        assert moment is not None
        assert moment.isoformat() == expected

    @pytest.mark.parametrize(
        "text",
        ["", "soon", "2024-13-01", "2024-02-30", "2024-01-05T25:00", "2024-01-05T10:00:00+99:00"],
    )
    def test_what_is_no_time_is_none(self, text: str) -> None:
        assert read_time(text) is None

    @pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31", "1900-01-01"])
    def test_a_placeholder_year_is_none(self, text: str) -> None:
        assert read_time(text) is None
        assert read_date(text) is None

    @pytest.mark.parametrize(
        "text", ["2024-03-01", "2024-03-01+01:00", "2024-03-01T23:59:59-10:00", "01/03/2024"]
    )
    def test_a_date_is_the_day_as_written(self, text: str) -> None:
        assert read_date(text) == date(2024, 3, 1)

    @given(st.text(st.sampled_from("0123456789-/.:TZ+ "), max_size=30))
    def test_no_date_is_too_strange(self, text: str) -> None:
        moment = read_time(text)
        assert moment is None or moment.utcoffset() is not None
        read_date(text)


class TestRefusing:
    def test_a_file_cut_off_is_refused_with_line_and_column(self) -> None:
        text = refusal(BODY.encode()[:-30])
        assert text.startswith("BR01 ")
        assert "line 6, column" in text

    @pytest.mark.parametrize("content", [b"", b"  ", b"\x00", b"Hello", b"%PDF-1.4", b"\xff\xfe"])
    def test_what_is_not_xml_is_refused(self, content: bytes) -> None:
        assert refusal(content).startswith("BR01 the file is not readable as XML: ")

    def test_another_root_is_refused_by_name(self) -> None:
        text = refusal(b"<Facturae/>")
        assert text == "BR01 the file is no DeliveryFeedback: it starts with <Facturae> in line 1"

    def test_a_second_root_is_refused(self) -> None:
        assert refusal(BODY.encode() * 2).startswith("BR01 ")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32", "cp037"])
    @pytest.mark.parametrize(
        "doctype",
        [
            "<!DOCTYPE DeliveryFeedback>",
            '<!DOCTYPE DeliveryFeedback SYSTEM "http://127.0.0.1:9/x.dtd">',
            '<!-- - --><?p ?>\n<!DOCTYPE DeliveryFeedback [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>',
            '<!DOCTYPE DeliveryFeedback [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        ],
    )
    def test_a_doctype_is_refused_in_every_encoding(self, doctype: str, encoding: str) -> None:
        assert refusal(f"{doctype}{BODY}".encode(encoding, "ignore")).startswith("BR01 ")

    def test_the_word_doctype_in_a_text_is_no_doctype(self) -> None:
        assert state("<Reason><Description>&lt;!DOCTYPE x></Description></Reason>").reason

    def test_an_unknown_entity_is_refused(self) -> None:
        assert refusal(b"<DeliveryFeedback>&eacute;</DeliveryFeedback>").startswith("BR01 ")

    def test_bottomless_nesting_is_refused(self) -> None:
        assert refusal(b"<a>" * 100_000).startswith("BR01 ")

    def test_nesting_below_the_limit_is_read(self) -> None:
        assert state("<Status>" + "<a>" * 1_000 + "PAID" + "</a>" * 1_000 + "</Status>").status

    def test_a_file_over_the_limit_is_refused_unread(self) -> None:
        assert refusal(b"<" * 101, max_bytes=100).startswith("BR07 the file is too large: 101 ")

    def test_a_file_at_the_limit_is_read(self) -> None:
        assert read(BODY.encode(), max_bytes=len(BODY.encode())).entries

    def test_a_text_of_many_megabytes_is_read(self) -> None:
        document = f"<document>{'A' * 4_000_000}</document>"
        inner = f"<ElectronicAcknowledgment>{document}</ElectronicAcknowledgment>"
        assert len(state(inner).acknowledgment or b"") == 3_000_000

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, content: bytes) -> None:
        with contextlib.suppress(RcfFileError):
            read(content)


MOMENT = datetime(2024, 7, 1, 10, 0, 30, tzinfo=UTC)
EVERYTHING = DeliveryFeedback(
    entries=(
        StatusFeedback(
            hub=HubFeedback(
                hub_id="123",
                type="I",
                date=MOMENT,
                status="REJECTED",
                status_date=MOMENT,
                error_code="BR05 ANNOTATED needs a register number (update 2 of 3)",
                filename="A@B@C.XML",
                sender_ref="C",
                sender_id="A",
                recipient_id="B",
            ),
            invoice=InvoiceFeedback(
                invoice_id="F·7",
                supplier_cif="A1",
                supplier_dept="S",
                buyer_cif="P1",
                buyer_dept="B",
                invoice_date=date(2024, 3, 1),
                feedbacks=(
                    Feedback(
                        status="REGISTERED",
                        status_date=MOMENT,
                        reason_code="R",
                        reason="why <not> & more",
                        register_data_number="E/1",
                        register_data_date=MOMENT,
                        register_number="E/1",
                        register_type="PLTRECIPIENT",
                        acknowledgment=b"%PDF-1.4\x00\xff",
                        rcf_register_number="R/1",
                        payment_date=MOMENT,
                    ),
                    Feedback(status="PAID", status_date=MOMENT),
                ),
            ),
        ),
        StatusFeedback(hub=HubFeedback(status="REJECTED")),
    )
)


def paths(content: bytes) -> list[str]:
    """Every element in document order, as its depth and name."""

    def walk(element: etree._Element, depth: int) -> Iterator[str]:
        yield "." * depth + str(element.tag)
        for child in element:
            yield from walk(child, depth + 1)

    return list(walk(etree.fromstring(content), 0))


def with_state(feedback: Feedback) -> DeliveryFeedback:
    invoice = InvoiceFeedback(invoice_id="F", invoice_date=date(2024, 1, 1), feedbacks=(feedback,))
    return DeliveryFeedback(entries=(StatusFeedback(invoice=invoice),))


def text_at(message: DeliveryFeedback, name: str) -> str | None:
    return etree.fromstring(write(message)).findtext(f".//{name}")


class TestWriting:
    def test_elements_stand_in_the_order_of_the_schema(self) -> None:
        assert paths(write(EVERYTHING)) == [
            "DeliveryFeedback",
            ".StatusFeedback",
            "..HubFeedback",
            "...HubId",
            "...HubType",
            "...HubDate",
            "...HubStatus",
            "...HubStatusDate",
            "...HubErrorCode",
            "...HubFilename",
            "...HubSenderRef",
            "...HubSenderId",
            "...HubRecipientId",
            "..InvoiceFeedback",
            "...InvoiceId",
            "...Supplier",
            "....Cif",
            "....Dept",
            "...Buyer",
            "....Cif",
            "....Dept",
            "...InvoiceDate",
            "...Feedback",
            "....Status",
            "....StatusCode",
            "....StatusDate",
            "....Reason",
            ".....Code",
            ".....Description",
            "....RegisterData",
            ".....Number",
            ".....Date",
            "....RegisterNumber",
            "....RegisterType",
            "....ElectronicAcknowledgment",
            ".....formatType",
            ".....document",
            "....RcfRegNumber",
            "....PaymentDate",
            "...Feedback",
            "....Status",
            "....StatusCode",
            "....StatusDate",
            ".StatusFeedback",
            "..HubFeedback",
            "...HubId",
            "...HubStatus",
        ]

    def test_what_is_required_is_written_empty_where_it_is_not_known(self) -> None:
        message = with_state(Feedback(status="PAID", reason="no code"))
        assert paths(write(message))[3:] == [
            "...InvoiceId",
            "...Supplier",
            "....Cif",
            "...Buyer",
            "....Cif",
            "...InvoiceDate",
            "...Feedback",
            "....Status",
            "....StatusCode",
            "....StatusDate",
            "....Reason",
            ".....Code",
            ".....Description",
        ]

    def test_what_was_written_is_read_back(self) -> None:
        written = read(write(EVERYTHING))
        assert write(written) == write(EVERYTHING)
        assert written.entries[0].hub == EVERYTHING.entries[0].hub
        assert written.entries[0].invoice is not None
        assert written.entries[0].invoice.feedbacks[0].acknowledgment == b"%PDF-1.4\x00\xff"

    def test_a_file_is_utf_8_and_says_so(self) -> None:
        content = write(EVERYTHING)
        assert content.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<DeliveryFeedback>')
        assert "F·7".encode() in content

    def test_a_time_bears_the_offset_of_madrid(self) -> None:
        assert text_at(EVERYTHING, "StatusDate") == "2024-07-01T12:00:30+02:00"

    def test_a_time_without_zone_is_a_time_in_madrid(self) -> None:
        naive = datetime(2024, 1, 1, 8)  # noqa: DTZ001
        message = with_state(Feedback(status="PAID", status_date=naive))
        assert text_at(message, "StatusDate") == "2024-01-01T08:00:00+01:00"

    def test_milliseconds_are_kept(self) -> None:
        message = with_state(
            Feedback(status="PAID", status_date=datetime(2024, 1, 1, 8, 0, 0, 5000, tzinfo=MADRID))
        )
        assert text_at(message, "StatusDate") == "2024-01-01T08:00:00.005+01:00"

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            ("SENT", "1000"),
            ("VALIDATED", None),
            ("REGISTERED", "1200"),
            ("DELIVERED", "1200"),
            ("ANNOTATED", "1300"),
            ("RECEIVED", "1300"),
            ("ACCEPTED", "1300"),
            ("RECOGNISED", "2400"),
            ("REJECTED", "2600"),
            ("PAID", "2500"),
            ("CANCELED", "3100"),
        ],
    )
    def test_the_code_follows_from_the_status(self, status: str, code: str | None) -> None:
        assert text_at(with_state(Feedback(status=status)), "StatusCode") == code

    def test_a_given_code_is_kept(self) -> None:
        message = with_state(Feedback(status="VALIDATED", status_code="1000"))
        assert text_at(message, "StatusCode") == "1000"

    @pytest.mark.parametrize(
        "message",
        [
            pytest.param(DeliveryFeedback(), id="no entry"),
            pytest.param(
                DeliveryFeedback(entries=(StatusFeedback(invoice=InvoiceFeedback()),)),
                id="no state",
            ),
            pytest.param(with_state(Feedback(status="paid")), id="status"),
            pytest.param(with_state(Feedback(status="PAID", status_code="7")), id="code"),
            pytest.param(with_state(Feedback(status="PAID", register_type="X")), id="register"),
            pytest.param(
                DeliveryFeedback(entries=(StatusFeedback(hub=HubFeedback(status="PAID")),)),
                id="hub status",
            ),
        ],
    )
    def test_what_the_schema_cannot_say_is_a_mistake_of_ours(
        self, message: DeliveryFeedback
    ) -> None:
        with pytest.raises(ValueError, match=r".+"):
            write(message)

    def test_characters_that_xml_cannot_hold_are_replaced(self) -> None:
        message = with_state(Feedback(status="REJECTED", reason="a\x00b\ud800c\uffffd\x0be😀"))
        assert text_at(message, "Description") == "a\ufffdb\ufffdc\ufffdd\ufffde😀"

    @given(
        reason=st.text(st.characters(exclude_categories=())),
        moment=st.datetimes(timezones=st.just(timezone(timedelta(hours=-3)))),
        status=st.sampled_from(LegacyStatus),
    )
    @example(reason="", moment=datetime.max.replace(tzinfo=MADRID), status=LegacyStatus.SENT)
    @example(reason="", moment=datetime.min.replace(tzinfo=MADRID), status=LegacyStatus.SENT)
    def test_every_text_and_time_can_be_written_and_validates(
        self, reason: str, moment: datetime, status: LegacyStatus
    ) -> None:
        content = write(with_state(Feedback(status=status, status_date=moment, reason=reason)))
        (feedback,) = only(content).feedbacks
        assert feedback.status == status
        if SCHEMA.exists():
            schema().assertValid(etree.fromstring(content))


def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMA))


@pytest.mark.skipif(not SCHEMA.exists(), reason="the published schema is not here")
class TestPublishedSchema:
    def test_a_whole_message_validates(self) -> None:
        schema().assertValid(etree.fromstring(write(EVERYTHING)))

    def test_a_refusal_without_a_known_invoice_validates(self) -> None:
        hub = HubFeedback(status="REJECTED", status_date=MOMENT, error_code="BR01 x", filename="f")
        message = DeliveryFeedback(entries=(StatusFeedback(hub=hub),))
        schema().assertValid(etree.fromstring(write(message)))

    def test_an_invoice_of_which_only_dates_are_known_validates(self) -> None:
        message = with_state(Feedback(status="REGISTERED", status_date=MOMENT))
        schema().assertValid(etree.fromstring(write(message)))
