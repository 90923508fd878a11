"""Whether the report lets an account cut over."""

from dataclasses import dataclass
from datetime import timedelta

from bridge.account import Account
from bridge.model import FeedName
from reconcile.asked import Asked
from reconcile.language import Language
from reconcile.model import Verdict
from reconcile.rendering import Step, sentences
from reconcile.reporting import make_report


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the report says."""

    ready: bool
    verdict: str
    reasons: tuple[str, ...] = ()


class Silent:
    """Is told how far a report has come, and tells nobody."""

    def begin(self, step: Step, total: int | None = None) -> None:
        """Go on to a step."""

    def advance(self, count: int = 1) -> None:
        """So many more are done."""


def readiness(account: Account, words: Language) -> Readiness:
    """Make a report, and return whether it is ready, with the reasons in a language.

    Where no old mailbox serves, as after a rollback into a folder, there is nothing to compare.
    """
    if account.feeds().serve is not FeedName.LEGACY:
        return Readiness(ready=True, verdict="no old mailbox serves: nothing to compare")
    asked = Asked(grace=timedelta(seconds=account.settings.reconcile.grace))
    report = make_report(account, asked, Silent()).report
    return Readiness(
        ready=report.verdict is Verdict.READY,
        verdict=str(report.verdict),
        reasons=tuple(sentences.reason(words, it).says for it in report.reasons),
    )
