"""A paper as a Facturae file, in 3.2, 3.2.1 or 3.2.2.

The signature looks like the XAdES-EPES of a real file and has its size, but it is none: digests,
value and certificate are made up from the content. The sandbox's files prove nothing to anybody.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from decimal import Decimal
from xml.sax.saxutils import escape

from bridge.sandbox.paper import Line, Paper, Tax
from bridge.sandbox.parties import Address, Supplier

NAMESPACES: Mapping[str, str] = {
    "3.2": "http://www.facturae.es/Facturae/2009/v3.2/Facturae",
    "3.2.1": "http://www.facturae.es/Facturae/2014/v3.2.1/Facturae",
    "3.2.2": "http://www.facturae.gob.es/formato/Versiones/Facturaev3_2_2.xml",
}
_ROLES = ("01", "02", "03")
"""DIR3: accounting office, managing body, processing unit."""


def facturae(paper: Paper, *, size: int = 0) -> bytes:
    """Return the file, filled up to about `size` bytes; the same paper gives the same bytes."""
    content = _header(paper) + _parties(paper) + _invoice(paper)
    signature = _signature(content) if paper.signed else ""
    prefix, namespace = paper.prefix, NAMESPACES[paper.version]
    missing = size - len(content) - len(signature)
    filling = f"<!--{' ' * missing}-->" if missing > 0 else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{prefix}:Facturae xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
        f' xmlns:{prefix}="{namespace}">{content}{signature}{filling}</{prefix}:Facturae>\n'
    ).encode()


def _header(paper: Paper) -> str:
    total = f"<TotalAmount>{paper.total}</TotalAmount>"
    batch = escape(f"{paper.supplier.nif}{paper.series or ''}{paper.number}")
    return (
        f"<FileHeader><SchemaVersion>{paper.version}</SchemaVersion><Modality>I</Modality>"
        f"<InvoiceIssuerType>EM</InvoiceIssuerType><Batch><BatchIdentifier>{batch}"
        "</BatchIdentifier><InvoicesCount>1</InvoicesCount>"
        f"<TotalInvoicesAmount>{total}</TotalInvoicesAmount>"
        f"<TotalOutstandingAmount>{total}</TotalOutstandingAmount>"
        f"<TotalExecutableAmount>{total}</TotalExecutableAmount>"
        "<InvoiceCurrencyCode>EUR</InvoiceCurrencyCode></Batch></FileHeader>\n"
    )


def _parties(paper: Paper) -> str:
    receiver = paper.receiver
    codes = (paper.accounting_office, receiver.managing_body, receiver.processing_unit)
    centres = "".join(
        f"<AdministrativeCentre><CentreCode>{code}</CentreCode><RoleTypeCode>{role}</RoleTypeCode>"
        f"<Name>{escape(receiver.name)}</Name>{_address(receiver.address)}</AdministrativeCentre>"
        for code, role in zip(codes, _ROLES, strict=True)
    )
    return (
        f"<Parties><SellerParty>{_seller(paper.supplier)}</SellerParty>\n"
        f"<BuyerParty>{_tax_id(receiver.nif, 'J')}"
        f"<AdministrativeCentres>{centres}</AdministrativeCentres>"
        f"<LegalEntity><CorporateName>{escape(receiver.name)}</CorporateName>"
        f"{_address(receiver.address)}</LegalEntity></BuyerParty></Parties>\n"
    )


def _seller(supplier: Supplier) -> str:
    if supplier.surnames is None:
        return (
            f"{_tax_id(supplier.nif, 'J')}<LegalEntity><CorporateName>{escape(supplier.name)}"
            f"</CorporateName>{_address(supplier.address)}</LegalEntity>"
        )
    first, second = supplier.surnames
    return (
        f"{_tax_id(supplier.nif, 'F')}<Individual><Name>{escape(supplier.name)}</Name>"
        f"<FirstSurname>{escape(first)}</FirstSurname><SecondSurname>{escape(second)}"
        f"</SecondSurname>{_address(supplier.address)}</Individual>"
    )


def _tax_id(number: str, person: str) -> str:
    return (
        f"<TaxIdentification><PersonTypeCode>{person}</PersonTypeCode>"
        "<ResidenceTypeCode>R</ResidenceTypeCode>"
        f"<TaxIdentificationNumber>{number}</TaxIdentificationNumber></TaxIdentification>"
    )


def _address(address: Address) -> str:
    return (
        f"<AddressInSpain><Address>{escape(address.street)}</Address>"
        f"<PostCode>{address.post_code}</PostCode><Town>{escape(address.town)}</Town>"
        f"<Province>{address.province}</Province><CountryCode>ESP</CountryCode></AddressInSpain>"
    )


def _invoice(paper: Paper) -> str:
    issued = paper.issue_date.isoformat()
    return (
        f"<Invoices><Invoice>{_invoice_header(paper)}"
        f"<InvoiceIssueData><IssueDate>{issued}</IssueDate>"
        "<InvoiceCurrencyCode>EUR</InvoiceCurrencyCode><TaxCurrencyCode>EUR</TaxCurrencyCode>"
        "<LanguageName>ca</LanguageName></InvoiceIssueData>\n"
        f"<TaxesOutputs>{''.join(map(_tax, paper.taxes))}</TaxesOutputs>{_totals(paper)}\n"
        f"<Items>{''.join(map(_line, paper.lines))}</Items>\n{_payment(paper)}"
        "</Invoice></Invoices>\n"
    )


def _invoice_header(paper: Paper) -> str:
    series = (
        f"<InvoiceSeriesCode>{escape(paper.series)}</InvoiceSeriesCode>" if paper.series else ""
    )
    return (
        f"<InvoiceHeader><InvoiceNumber>{escape(paper.number)}</InvoiceNumber>{series}"
        "<InvoiceDocumentType>FC</InvoiceDocumentType>"
        f"<InvoiceClass>{'OR' if paper.corrects else 'OO'}</InvoiceClass>"
        f"{_corrective(paper) if paper.corrects else ''}</InvoiceHeader>"
    )


def _corrective(paper: Paper) -> str:
    start = paper.issue_date.replace(day=1).isoformat()
    return (
        f"<Corrective><InvoiceNumber>{escape(paper.corrects or '')}</InvoiceNumber>"
        "<ReasonCode>83</ReasonCode><ReasonDescription>Base imponible modificada por descuentos y"
        " bonificaciones</ReasonDescription>"
        f"<TaxPeriod><StartDate>{start}</StartDate>"
        f"<EndDate>{paper.issue_date.isoformat()}</EndDate></TaxPeriod>"
        "<CorrectionMethod>02</CorrectionMethod><CorrectionMethodDescription>Rectificación por"
        " diferencias</CorrectionMethodDescription></Corrective>"
    )


def _tax(tax: Tax) -> str:
    return (
        f"<Tax><TaxTypeCode>01</TaxTypeCode><TaxRate>{tax.rate}</TaxRate>"
        f"<TaxableBase><TotalAmount>{tax.base}</TotalAmount></TaxableBase>"
        f"<TaxAmount><TotalAmount>{tax.amount}</TotalAmount></TaxAmount></Tax>"
    )


def _totals(paper: Paper) -> str:
    amounts: tuple[tuple[str, Decimal], ...] = (
        ("TotalGrossAmount", paper.gross),
        ("TotalGrossAmountBeforeTaxes", paper.gross),
        ("TotalTaxOutputs", paper.tax),
        ("TotalTaxesWithheld", Decimal("0.00")),
        ("InvoiceTotal", paper.total),
        ("TotalOutstandingAmount", paper.total),
        ("TotalExecutableAmount", paper.total),
    )
    inside = "".join(f"<{name}>{amount}</{name}>" for name, amount in amounts)
    return f"<InvoiceTotals>{inside}</InvoiceTotals>"


def _line(line: Line) -> str:
    tax = _tax(Tax(rate=line.tax_rate, base=line.gross))
    return (
        f"<InvoiceLine><ItemDescription>{escape(line.description)}</ItemDescription>"
        f"<Quantity>{line.quantity}</Quantity><UnitOfMeasure>01</UnitOfMeasure>"
        f"<UnitPriceWithoutTax>{line.unit_price:.6f}</UnitPriceWithoutTax>"
        f"<TotalCost>{line.gross:.6f}</TotalCost><GrossAmount>{line.gross:.6f}</GrossAmount>"
        f"<TaxesOutputs>{tax}</TaxesOutputs></InvoiceLine>\n"
    )


def _payment(paper: Paper) -> str:
    return (
        "<PaymentDetails><Installment>"
        f"<InstallmentDueDate>{paper.issue_date.isoformat()}</InstallmentDueDate>"
        f"<InstallmentAmount>{paper.total}</InstallmentAmount><PaymentMeans>04</PaymentMeans>"
        f"<AccountToBeCredited><IBAN>{paper.iban}</IBAN></AccountToBeCredited>"
        "</Installment></PaymentDetails>"
    )


def _signature(content: str) -> str:
    seed = hashlib.sha256(content.encode()).digest()
    name = f"Signature-{seed[:16].hex()}"
    signed_properties = f"{name}-SignedProperties"
    return (
        f'<ds:Signature Id="{name}"><ds:SignedInfo>'
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>'
        '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
        '<ds:Reference URI=""><ds:Transforms><ds:Transform'
        ' Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></ds:Transforms>'
        f"{_digest(seed, 'document')}</ds:Reference>"
        '<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties"'
        f' URI="#{signed_properties}">{_digest(seed, "properties")}</ds:Reference>'
        f"</ds:SignedInfo><ds:SignatureValue>{_noise(seed, 'value', 256)}</ds:SignatureValue>\n"
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>"
        f"{_noise(seed, 'certificate', 1500)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\n"
        '<ds:Object><xades:QualifyingProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"'
        f' Target="#{name}"><xades:SignedProperties Id="{signed_properties}">'
        "<xades:SignedSignatureProperties><xades:SigningTime>2026-03-01T09:00:00+01:00"
        "</xades:SigningTime><xades:SigningCertificate><xades:Cert><xades:CertDigest>"
        f"{_digest(seed, 'issuer')}</xades:CertDigest><xades:IssuerSerial><ds:X509IssuerName>"
        "CN=Sandbox, not a certificate authority,C=ES</ds:X509IssuerName><ds:X509SerialNumber>"
        f"{int.from_bytes(seed[:8], 'big')}</ds:X509SerialNumber></xades:IssuerSerial>"
        "</xades:Cert></xades:SigningCertificate></xades:SignedSignatureProperties>"
        "</xades:SignedProperties></xades:QualifyingProperties></ds:Object></ds:Signature>"
    )


def _digest(seed: bytes, label: str) -> str:
    return (
        '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        f"<ds:DigestValue>{_noise(seed, label, 32)}</ds:DigestValue>"
    )


def _noise(seed: bytes, label: str, size: int) -> str:
    """Return so many bytes in base64 that look random and are always the same."""
    return b64encode(hashlib.shake_256(seed + label.encode()).digest(size)).decode()
