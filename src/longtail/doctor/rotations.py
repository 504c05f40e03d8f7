"""Rotated and mirrored copies, found by a grey picture of 9 × 9 pixels in its eight orientations."""

from collections.abc import Sequence

import numpy as np

from longtail.data.first_of_many import first
from longtail.data.samples import Samples
from longtail.doctor.copies import NEAR_BITS, SHOWN, Bands, correlation, place, small_pictures
from longtail.doctor.findings import Finding
from longtail.doctor.prints import SMALL, Print

ALIKE = 0.98  # higher than for upright copies: seven orientations are compared


def rotated_findings(
    one: Sequence[Print], other: Sequence[Print], names: tuple[str, str], samples: tuple[Samples, Samples]
) -> list[Finding]:
    """A finding about rotated or mirrored copies.

    Args:
        one: prints of the first part.
        other: prints of the second part, whose images may be copies; may be the first part itself.
        names: of the two parts.
        samples: of the two parts.
    """
    pairs = rotated_pairs(one, other, within=samples[0] is samples[1])
    if not pairs:
        return []
    where = [f"{place(samples[1], names[1], b)} = {place(samples[0], names[0], a)}" for a, b in pairs]
    clash = sum(samples[0].target[a] != samples[1].target[b] for a, b in pairs)
    advice = "Keep one of each: augmentation by rotation and mirroring makes the others."
    if names[0] != names[1]:
        advice = f"Take them out of {names[0]}: augmentation may show the test images in training."
    return [
        Finding(
            "warning",
            f"{len(pairs)} of {len(other)} images are rotated or mirrored copies of images in {names[0]}; {clash} with "
            "another label",
            first(where, SHOWN),
            advice,
        )
    ]


def rotated_pairs(one: Sequence[Print], other: Sequence[Print], *, within: bool) -> list[tuple[int, int]]:
    """Positions of an image and its copy in another orientation, one pair for each copy.

    Args:
        one: prints of the images.
        other: prints of the possible copies.
        within: whether both are one part, of which a copy comes later than its image.
    """
    first_small, second_small = small_pictures(one), small_pictures(other)
    bands = Bands(_hashes(first_small))
    plain = _hashes(second_small)
    partner: dict[int, int] = {}
    for turn in range(1, 8):
        turned = _oriented(second_small, turn)
        for b, value in enumerate(_hashes(turned)):
            if b in partner or other[b].error:
                continue
            for a in bands.near(value):
                if within and a >= b:
                    continue
                already_near = (bands.hashes[a] ^ plain[b]).bit_count() <= NEAR_BITS
                if not already_near and correlation(first_small[a], turned[b]) >= ALIKE:
                    partner[b] = a
                    break
    return [(partner[b], b) for b in sorted(partner)]


def _oriented(pictures: np.ndarray, turn: int) -> np.ndarray:
    """Pictures (N, 9, 9) in orientation 0 to 7: quarter turns, from 4 on also mirrored."""
    turned = np.rot90(pictures, turn % 4, axes=(1, 2))
    return turned[:, :, ::-1] if turn >= 4 else turned


def _hashes(pictures: np.ndarray) -> list[int]:
    brighter = pictures[:, : SMALL - 1, 1:] > pictures[:, : SMALL - 1, :-1]
    packed = np.packbits(brighter.reshape(len(pictures), -1), axis=1)
    return [int.from_bytes(row.tobytes(), "big") for row in packed]
