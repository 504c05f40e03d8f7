"""Copies: samples that occur in two parts, several times in one, or in two classes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.samples import Samples
from longtail.doctor.findings import Finding
from longtail.doctor.prints import SMALL, Print
from longtail.doctor.tail import NEARLY_EMPTY

NEAR_BITS = 2
BANDS = 4
FLAT_BITS = 6  # a plain image has nearly no bright or dark step: its hash is not informative
ALIKE = 0.95  # correlation of small grey pictures; by hashes alone, different fish on plain water are copies
SERIOUS_SHARE = 0.01
SHOWN = 3


def noun(samples: Samples) -> str:
    """The word for samples in messages."""
    return "rows" if samples.kind == "features" else "images"


def shared_findings(
    one: Sequence[Print], other: Sequence[Print], names: tuple[str, str], samples: tuple[Samples, Samples]
) -> list[Finding]:
    """Findings about samples of the second part of which the first has an exact or near copy.

    Args:
        one: prints of the first part.
        other: prints of the second part.
        names: of the two parts.
        samples: of the two parts.
    """
    kind = noun(samples[1])
    first_of = {own.exact: index for index, own in enumerate(one) if not own.error}
    exact = [(first_of[own.exact], index) for index, own in enumerate(other) if not own.error and own.exact in first_of]
    copies = {index for _, index in exact}
    left, right = small_pictures(one), small_pictures(other)
    near = near_pairs(
        [p.near for p in one], [p.near for p in other], accept=lambda a, b: correlation(left[a], right[b]) >= ALIKE
    )
    near = [pair for pair in near if pair[1] not in copies]
    found = []
    for what, pairs in (("exact", exact), ("near", near)):
        if not pairs:
            continue
        held = len({index for _, index in pairs})
        clash = sum(samples[0].target[a] != samples[1].target[b] for a, b in pairs)
        serious = what == "exact" and kind == "images" and held >= SERIOUS_SHARE * len(other)
        found.append(
            Finding(
                "serious" if serious else "warning",
                f"{held} of {len(other)} {kind} ({100 * held / len(other):.2f} %) have {what} copies in {names[0]}; "
                f"{clash} with another label",
                first(
                    [f"{place(samples[1], names[1], b)} = {place(samples[0], names[0], a)}" for a, b in pairs], SHOWN
                ),
                f"Remove them from {names[0]}: scores on images that were trained on are too high."
                if kind == "images"
                else "Equal rows are expected if features are coarse; else remove them from one part.",
            )
        )
    return found


def duplicate_findings(prints: Sequence[Print], samples: Samples, part: str) -> list[Finding]:
    """Findings about samples that a part has several times, in one class or in two."""
    by_print: dict[bytes, list[int]] = {}
    for index, own in enumerate(prints):
        if not own.error:
            by_print.setdefault(own.exact, []).append(index)
    repeated = [own for own in by_print.values() if len(own) > 1]
    return _repeated(by_print, repeated, samples, part) + _in_two_classes(repeated, samples, part)


def _repeated(
    by_print: dict[bytes, list[int]], repeated: list[list[int]], samples: Samples, part: str
) -> list[Finding]:
    if not repeated:
        return []
    copies = sum(len(own) - 1 for own in repeated)
    distinct = np.zeros(len(samples.class_names), dtype=np.int64)
    for own in by_print.values():
        distinct[np.unique(samples.target[own])] += 1
    counts = samples.class_counts
    worst = sorted(np.flatnonzero(distinct < counts).tolist(), key=lambda c: distinct[c] / counts[c])
    classes = [f"{samples.class_names[c]} ({counts[c]}, {distinct[c]} distinct)" for c in worst]
    kind = noun(samples)
    found = [
        Finding(
            "fact" if kind == "rows" else "warning",
            f"{copies} of {len(samples)} {kind} are exact copies of another",
            f"{part}: {first(classes, SHOWN)}",
            "" if kind == "rows" else "Each copy counts as a sample: keep one, unless the weight is intended.",
        )
    ]
    scarce = [samples.class_names[c] for c in worst if 0 < distinct[c] < NEARLY_EMPTY <= counts[c]]
    if scarce:
        what = f"{counted(len(scarce), 'class has', 'classes have')} fewer than {NEARLY_EMPTY} distinct {kind}"
        found.append(Finding("warning", what, f"{part}: {first(scarce)}", "Their copies add nothing to learn from."))
    return found


def _in_two_classes(repeated: list[list[int]], samples: Samples, part: str) -> list[Finding]:
    clashes = []
    for own in repeated:
        other = next((i for i in own if samples.target[i] != samples.target[own[0]]), None)
        if other is not None:
            clashes.append((own[0], other))
    if not clashes:
        return []
    pairs = [
        f"{place(samples, part, a)} ({samples.class_names[samples.target[a]]}) = {place(samples, part, b)} "
        f"({samples.class_names[samples.target[b]]})"
        for a, b in clashes
    ]
    kind = noun(samples)
    serious = kind == "images" and len(clashes) >= SERIOUS_SHARE * len(samples)
    return [
        Finding(
            "serious" if serious else "warning",
            f"{counted(len(clashes), f'{kind[:-1]} is', f'{kind} are')} in two classes",
            first(pairs, SHOWN),
            "Decide on one label for each: no model can learn both.",
        )
    ]


def place(samples: Samples, part: str, index: int) -> str:
    """The name of a sample: its file, the row that holds it, or its position in the part."""
    return f"{part} {index}" if samples.files is None and samples.encoded is None else samples.name(index)


def near_pairs(
    one: Sequence[int], other: Sequence[int], accept: Callable[[int, int], bool] = lambda _, __: True
) -> list[tuple[int, int]]:
    """Pairs of positions whose hashes differ in at most 2 of 64 bits, one for each position in `other`.

    Args:
        one: hashes of 64 bits.
        other: hashes of 64 bits.
        accept: decides whether a pair of positions counts.
    """
    bands = Bands(one)
    pairs = []
    for index, own in enumerate(other):
        partner = next((a for a in bands.near(own) if accept(a, index)), None)
        if partner is not None:
            pairs.append((partner, index))
    return pairs


def small_pictures(prints: Sequence[Print]) -> np.ndarray:
    """(N, 9, 9) float32 grey pictures in [0, 255]; black for prints without one."""
    blank = bytes(SMALL * SMALL)
    flat = b"".join(own.small or blank for own in prints)
    return np.frombuffer(flat, dtype=np.uint8).reshape(-1, SMALL, SMALL).astype(np.float32)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson correlation of two pictures, which does not depend on their brightness and contrast."""
    a, b = one.ravel() - one.mean(), other.ravel() - other.mean()
    return float(a @ b / max(float(np.sqrt((a @ a) * (b @ b))), 1e-9))


class Bands:
    """An index of 64-bit hashes by their 4 bands of 16 bits: hashes that differ in at most 2 bits share a band."""

    def __init__(self, hashes: Sequence[int]) -> None:
        self.hashes = hashes
        self._places: list[dict[int, list[int]]] = [{} for _ in range(BANDS)]
        for index, own in enumerate(hashes):
            if is_informative(own):
                for number, band in enumerate(_bands(own)):
                    self._places[number].setdefault(band, []).append(index)

    def near(self, value: int) -> Iterator[int]:
        """Positions of the hashes that differ from `value` in at most 2 bits; some come twice."""
        if is_informative(value):
            for number, band in enumerate(_bands(value)):
                for index in self._places[number].get(band, ()):
                    if (self.hashes[index] ^ value).bit_count() <= NEAR_BITS:
                        yield index


def _bands(value: int) -> list[int]:
    return [value >> (16 * number) & 0xFFFF for number in range(BANDS)]


def is_informative(value: int) -> bool:
    """Whether a hash is that of an image that is not plain."""
    return FLAT_BITS <= value.bit_count() <= 64 - FLAT_BITS
