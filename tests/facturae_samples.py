"""Facturae files of our own for tests: the three versions, batches, people, centres."""

NAMESPACES = {
    "3.2": "http://www.facturae.es/Facturae/2009/v3.2/Facturae",
    "3.2.1": "http://www.facturae.es/Facturae/2014/v3.2.1/Facturae",
    "3.2.2": "http://www.facturae.gob.es/formato/Versiones/Facturaev3_2_2.xml",
}
SIGNATURE = (
    '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo/></ds:Signature>'
)

COMPANY = "<LegalEntity><CorporateName>Fusteria Puigcerdà, SL</CorporateName></LegalEntity>"
PERSON = (
    "<Individual><Name>Mercè</Name><FirstSurname>Vall</FirstSurname>"
    "<SecondSurname>Llobet</SecondSurname></Individual>"
)
CENTRES = (("L01080193", "01"), ("L01080194", "02"), ("L01080195", "03"), ("X1", "04"))


def invoice(number: str = "7", series: str = "F24", total: str = "1210.00") -> str:
    """Return one Invoice element."""
    return f"""<Invoice><InvoiceHeader><InvoiceNumber>{number}</InvoiceNumber>
    <InvoiceSeriesCode>{series}</InvoiceSeriesCode></InvoiceHeader>
    <InvoiceIssueData><IssueDate>2024-03-01</IssueDate>
    <InvoiceCurrencyCode>EUR</InvoiceCurrencyCode></InvoiceIssueData>
    <InvoiceTotals><InvoiceTotal>{total}</InvoiceTotal></InvoiceTotals></Invoice>"""


def facturae(
    version: str = "3.2.2",
    *,
    invoices: str | None = None,
    seller: str = COMPANY,
    prefix: str = "fe",
    signed: bool = False,
) -> str:
    """Return a Facturae file as text, without a declaration."""
    name, binding = (f"{prefix}:Facturae", f":{prefix}") if prefix else ("Facturae", "")
    centres = "".join(
        f"<AdministrativeCentre><CentreCode>{code}</CentreCode><RoleTypeCode>{role}</RoleTypeCode>"
        f"<Name>Unitat {role}</Name></AdministrativeCentre>"
        for code, role in CENTRES
    )
    return f"""<{name} xmlns{binding}="{NAMESPACES[version]}"><FileHeader>
    <SchemaVersion>{version}</SchemaVersion><Modality>I</Modality>
    <Batch><InvoiceCurrencyCode>EUR</InvoiceCurrencyCode></Batch></FileHeader>
    <Parties><SellerParty><TaxIdentification>
    <TaxIdentificationNumber>B17000001</TaxIdentificationNumber></TaxIdentification>{seller}
    </SellerParty><BuyerParty><TaxIdentification>
    <TaxIdentificationNumber>P0801900B</TaxIdentificationNumber></TaxIdentification>
    <AdministrativeCentres>{centres}</AdministrativeCentres>
    <LegalEntity><CorporateName>Ajuntament</CorporateName></LegalEntity></BuyerParty></Parties>
    <Invoices>{invoice() if invoices is None else invoices}</Invoices>
    {SIGNATURE if signed else ""}</{name}>"""
