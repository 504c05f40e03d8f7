"""A fix as an ES module."""

from longtail.export.fix_constants import Constant, decision_kind, fix_constants
from longtail.export.source_text import heading, quoted, wrapped
from longtail.repair import Fix

LOGITS = {
    "logits": """
function logitsOf(scores) {
  const logits = Array.from(scores);
  const valid = (z) => typeof z === "number" && z < Infinity;
  if (logits.length !== CLASSES.length || !logits.every(valid) || Math.max(...logits) === -Infinity) {
    throw new RangeError(`scores must be ${CLASSES.length} logits, finite or -Infinity for masked classes`);
  }
  return logits;
}
""",
    "probabilities": """
function logitsOf(scores) {
  const probabilities = Array.from(scores);
  if (probabilities.length !== CLASSES.length || !probabilities.every((p) => Number.isFinite(p) && p >= 0)) {
    throw new RangeError(`scores must be ${CLASSES.length} probabilities`);
  }
  const total = probabilities.reduce((sum, p) => sum + p, 0);
  const exact = Math.abs(total - 1) < EXACT;
  if (!exact && !(Math.abs(total - 1) <= toleranceOf(probabilities))) {
    throw new RangeError("scores must be probabilities that sum to 1");
  }
  return probabilities.map((p) => Math.log(Math.max(exact ? p : p / total, FLOOR)));
}

// How far from 1 the sum may be because the numbers were rounded.
function toleranceOf(probabilities) {
  for (let decimals = 1; decimals <= ROUNDED.length; decimals += 1) {
    const scaled = probabilities.map((p) => p * 10 ** decimals);
    if (scaled.every((s) => Math.abs(s - Math.round(s)) < NEAR * 10 ** decimals)) {
      return ROUNDED[decimals - 1];
    }
  }
  return HALF_PRECISION;
}
""",
}
DECISION = {
    "offset": """
// The name of the class.
export function predict(scores) {
  const corrected = logitsOf(scores).map((z, k) => z + OFFSET[k]);
  return CLASSES[corrected.indexOf(Math.max(...corrected))];
}
""",
    "cost": """
// The name of the class of the least expected cost.
export function predict(scores) {
  const probabilities = predictProba(scores);
  const expected = CLASSES.map((_, k) => probabilities.reduce((sum, p, j) => sum + p * COST[j][k], 0));
  return CLASSES[expected.indexOf(Math.min(...expected))];
}
""",
}
PROBABILITIES = """
// The probabilities, an array in the order of CLASSES.
export function predictProba(scores) {
  const logits = logitsOf(scores);
  const highest = Math.max(...logits);
  const scaled = logits.map((z, k) => (z - highest) / TEMPERATURE + PROBABILITY_OFFSET[k]);
  const top = Math.max(...scaled);
  const powers = scaled.map((s) => Math.exp(s - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
"""


def javascript_code(fix: Fix, source: str) -> str:
    """Functions for one sample, for browsers and node."""
    about = (
        "An ES module: save it as fix.mjs, then import { predict, predictProba } from './fix.mjs' (browsers, node).",
        "Both take the scores of one sample, in the order of CLASSES.",
    )
    head = heading(fix, source, "//", *about) + "".join(map(_line, fix_constants(fix, quoted)))
    # In an HTML page, a name such as "</script>" must not end the module.
    return head.replace("<", "\\u003c") + DECISION[decision_kind(fix)] + PROBABILITIES + LOGITS[fix.takes]


def _line(constant: Constant) -> str:
    value = constant.value
    text = value if isinstance(value, str) else f"[\n{wrapped(value, '  ')}\n]"
    export = "export " if constant.name == "CLASSES" else ""
    return f"{export}const {constant.name} = {text};" + (f" // {constant.comment}" if constant.comment else "") + "\n"
