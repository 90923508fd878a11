"""DeliveryFeedback: state messages and state files, read with tolerance and written strictly.

Reading takes what real software writes (legacy-ftp, "DeliveryFeedback"): elements in any order, in
any namespace, missing or empty; any encoding; dates in several forms. What is missing is None, and
whether that matters is for `translate` to say. Only a file that is no DeliveryFeedback is refused.

Writing keeps to the published schema (DeliveryFeedback.xsd): order, required elements, formats.
Where data for a required element is missing the element is written empty: it keeps its place, but
an empty `InvoiceDate` or `StatusDate` does not validate, so callers fill those two.
"""

from bridge.feedback.message import (
    DeliveryFeedback,
    Feedback,
    HubFeedback,
    InvoiceFeedback,
    StatusFeedback,
)
from bridge.feedback.reading import MAX_BYTES, read
from bridge.feedback.times import MADRID, read_date, read_time
from bridge.feedback.writing import write

__all__ = [
    "MADRID",
    "MAX_BYTES",
    "DeliveryFeedback",
    "Feedback",
    "HubFeedback",
    "InvoiceFeedback",
    "StatusFeedback",
    "read",
    "read_date",
    "read_time",
    "write",
]
