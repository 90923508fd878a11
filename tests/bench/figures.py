"""What a benchmark came to: medians of alternated runs, and ratios with their spread."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Run = Callable[[int], float]
"""Does one run, of this round, and returns how many seconds the timed part of it took."""

FORM = "{:<40} {:>9}  {:<46} {:>9}  {:>5}  {:<11}  {:<7}  {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: seconds of ours and of a reference, round by round."""

    what: str
    reference: str
    amount: int
    """How many things a run does; speeds are these a second."""
    ours: Sequence[float]
    theirs: Sequence[float]
    goal: str = ""
    our_processor: Sequence[float] = ()
    their_processor: Sequence[float] = ()
    """Seconds of processor time that each server took, where that is known."""
    seconds: bool = False
    """Show the seconds themselves instead of a speed."""

    @property
    def ratios(self) -> list[float]:
        """Our speed relative to the reference, of each round: 1 is as fast, 2 twice as fast."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def line(self) -> str:
        """Return the line."""
        ratios = self.ratios
        return FORM.format(
            self.what,
            self._shown(self.ours),
            self.reference,
            self._shown(self.theirs),
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f}–{max(ratios):.2f}",
            self.goal,
            self._processor(),
        )

    def _processor(self) -> str:
        if not self.our_processor:
            return ""
        return f"{sum(self.our_processor) / max(sum(self.their_processor), 0.01):.2f}"

    def _shown(self, seconds: Sequence[float]) -> str:
        took = median(seconds)
        return f"{took:.2f} s" if self.seconds else f"{self.amount / took:,.0f}/s"


def heading() -> str:
    """Return the line above the figures."""
    return FORM.format("figure", "ours", "reference", "its", "ratio", "spread", "goal", "CPU")


def alternate(runs: Mapping[str, Run], *, rounds: int) -> dict[str, list[float]]:
    """Run all in turn, each round in the other order; a first round warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        order = list(runs) if number % 2 else list(reversed(runs))
        for name in order:
            took = runs[name](number)
            if number:
                seconds[name].append(took)
    return seconds


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
