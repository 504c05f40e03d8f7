"""The peer losses from their papers' formulas, one sample and one class at a time.

Class weights and label smoothing, which no paper has, act on the cross-entropy as in `F.cross_entropy`.
"""

import math

import numpy as np

from .cross_entropy import cross_entropy, one_hot, softmax


def _targets(logits, targets):
    for z, target in zip(np.asarray(logits, dtype=np.float64), targets, strict=True):
        yield z, one_hot(target, len(z)) if np.ndim(target) == 0 else np.asarray(target, dtype=np.float64)


def _on(adjust, logits, targets, weight, label_smoothing):
    return np.array([cross_entropy(adjust(z, t), t, weight, label_smoothing) for z, t in _targets(logits, targets)])


def logit_adjustment(logits, targets, counts, tau=1.0, weight=None, label_smoothing=0.0):
    """CE(z + τ log π)."""
    prior = np.asarray(counts, dtype=np.float64) / np.sum(counts)
    return _on(lambda z, _: z + tau * np.log(prior), logits, targets, weight, label_smoothing)


def vs(logits, targets, counts, gamma=0.3, tau=1.0, weight=None, label_smoothing=0.0):
    """CE(z / Δ + ι)."""
    counts = np.asarray(counts, dtype=np.float64)
    delta, iota = (counts.max() / counts) ** gamma, tau * np.log(counts / counts.sum())
    return _on(lambda z, _: z / delta + iota, logits, targets, weight, label_smoothing)


def ldam(logits, targets, counts, max_margin=0.5, scale=30.0, weight=None, label_smoothing=0.0):
    """CE(s (cos − m at the target)) with m_j ∝ n_j^{−1/4}, the largest of them `max_margin`."""
    margins = np.asarray(counts, dtype=np.float64) ** -0.25
    margins = margins / margins.max() * max_margin
    return _on(lambda z, t: scale * (z / scale - margins * t), logits, targets, weight, label_smoothing)


def gcl(logits, targets, counts, noise, cloud=0.5, margin=0.0, scale=30.0, weight=None, label_smoothing=0.0):
    """CE(s (cos_j − a |ε_ij| δ_j − m at the target))."""
    log_counts = np.log(np.asarray(counts, dtype=np.float64))
    gap = log_counts.max() - log_counts
    delta = gap / gap.max()
    rows = iter(np.asarray(noise, dtype=np.float64))
    return _on(
        lambda z, t: scale * (z / scale - cloud * next(rows) * delta - margin * t),
        logits,
        targets,
        weight,
        label_smoothing,
    )


def eql(logits, targets, counts, left_out, threshold=5e-3, weight=None, label_smoothing=0.0):
    """−Σ_k t_k log( e^{z_k} / Σ_j w_j e^{z_j} ), w_j = 1 − β_j [n_j/N < λ] (1 − [t_j > 0]); no smoothing at w = 0."""
    counts = np.asarray(counts, dtype=np.float64)
    losses = []
    for (z, t), beta in zip(_targets(logits, targets), left_out, strict=True):
        c = len(z)
        w = [1 - float(beta[j]) * (counts[j] / counts.sum() < threshold) * (t[j] == 0) for j in range(c)]
        total = sum(w[j] * np.exp(z[j] - z.max()) for j in range(c))
        t = [((1 - label_smoothing) * t[j] + label_smoothing / c) * w[j] for j in range(c)]
        terms = [-t[k] * (1 if weight is None else weight[k]) * (z[k] - z.max() - np.log(total)) for k in range(c)]
        losses.append(sum(terms))
    return np.array(losses)


def focal(logits, targets, gamma=1.0, weight=None, label_smoothing=0.0):
    """Σ_j w_j t_j (1 − p_j)^γ (−log p_j)."""
    losses = []
    for z, t in _targets(logits, targets):
        p, c = softmax(z), len(z)
        t = (1 - label_smoothing) * t + label_smoothing / c
        w = np.ones(c) if weight is None else weight
        others = [sum(p[k] for k in range(c) if k != j) for j in range(c)]  # 1 − p_j without its rounding
        losses.append(sum(-w[j] * t[j] * others[j] ** gamma * np.log1p(-others[j]) for j in range(c)))
    return np.array(losses)


def class_balanced(logits, targets, counts, beta=0.9999, power=1.0, gamma=0.0, weight=None, label_smoothing=0.0):
    """Focal loss weighted by ((1 − β) / (1 − β^n))^ρ, rescaled to sum C."""
    effective = np.array([(1 - beta**n) / (1 - beta) if beta < 1 else n for n in np.asarray(counts, dtype=np.float64)])
    w = 1 / effective**power
    w = w / w.sum() * len(w) * (1 if weight is None else np.asarray(weight))
    return focal(logits, targets, gamma, w, label_smoothing)


def label_aware_smoothing(logits, targets, counts, head=0.4, tail=0.1, weight=None, label_smoothing=0.0):
    """(1 − e_k)(−log p_k) + e_k mean_j(−log p_j), with e the sine ramp from tail to head."""
    counts = np.asarray(counts, dtype=np.float64)
    width = counts.max() - counts.min()
    e = [tail + (head - tail) * math.sin(math.pi * (n - counts.min()) / (2 * width)) for n in counts]
    losses = []
    for z, t in _targets(logits, targets):
        total = 0.0
        for k in range(len(z)):
            sharp, flat = one_hot(k, len(z)), np.full(len(z), 1 / len(z))
            smoothed = (1 - e[k]) * sharp + e[k] * flat
            total += t[k] * (1 - label_smoothing) * cross_entropy(z, smoothed, weight)
            # smoothing on top replaces its share by a flat target, whatever the class
            total += t[k] * label_smoothing * cross_entropy(z, (1 - e[k]) * flat + e[k] * flat, weight)
        losses.append(total)
    return np.array(losses)


def seesaw(logits, targets, seen, p=0.8, q=2.0, eps=1e-2, weight=None, label_smoothing=0.0):
    """CE(z + log(M C)); for soft targets log N_k, log σ_k are means under t and the shift counts 1 − t_j."""
    log_seen = np.log(np.maximum(np.asarray(seen, dtype=np.float64), 1))

    def adjust(z, t):
        log_scores = np.log(softmax(z))
        own_seen = sum(t[k] * log_seen[k] for k in range(len(z)))
        own_score = sum(t[k] * max(log_scores[k], np.log(eps)) for k in range(len(z)))
        shifts = [p * min(log_seen[j] - own_seen, 0) + q * max(log_scores[j] - own_score, 0) for j in range(len(z))]
        return np.array([z[j] + (1 - t[j]) * shifts[j] for j in range(len(z))])

    return _on(adjust, logits, targets, weight, label_smoothing)


def eql_v2(
    logits, targets, positive, negative, gamma=12.0, mu=0.8, alpha=4.0, weight=None, label_smoothing=0.0
):  # fmt: skip
    """Σ_j w_j BCE, with w_j = t_j (1 + α (1 − f)) + (1 − t_j) f and f = 1 / (1 + e^{−γ (q_j − μ)})."""
    losses = []
    for z, t in _targets(logits, targets):
        c = len(z)
        sample_weight = 1.0 if weight is None else sum(t[j] * weight[j] for j in range(c))
        t = (1 - label_smoothing) * t + label_smoothing / c
        total = 0.0
        for j in range(c):
            q = positive[j] / negative[j] if positive[j] or negative[j] else 100.0
            f = 1 / (1 + math.exp(-gamma * (q - mu)))
            s = 1 / (1 + math.exp(-z[j]))
            bce = -t[j] * math.log(s) - (1 - t[j]) * math.log(1 - s)
            total += (t[j] * (1 + alpha * (1 - f)) + (1 - t[j]) * f) * bce
        losses.append(sample_weight * total)
    return np.array(losses)


def lade(logits, targets, counts, alpha=0.1, lam=0.01, weight=None, label_smoothing=0.0):
    """CE(z + log π) + α R, the released R."""
    prior = np.asarray(counts, dtype=np.float64) / np.sum(counts)
    pairs = list(_targets(logits, targets))
    c, batch, regulariser = len(prior), len(pairs), 0.0
    for j in range(c):
        total = sum(t[j] for _, t in pairs)
        first = sum(t[j] * z[j] for z, t in pairs) / total if total else 0.0
        second = np.log(sum(np.exp(z[j] - np.log(prior[j]) + np.log(1 / c)) for z, _ in pairs)) - np.log(batch)
        regulariser -= prior[j] * (first - second - lam * second**2)
    return _on(lambda z, _: z + np.log(prior), logits, targets, weight, label_smoothing) + alpha * regulariser
