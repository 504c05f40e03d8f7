"""GALA from the equations: Zhang et al., ICASSP 2024, and the authors' released form."""

import numpy as np

from .cross_entropy import cross_entropy, one_hot, softmax


def released_logits(z, t, theta, phi, lambda_positive, lambda_negative, eps):
    """z_j + λ1 log(θ_j + ε) − λ2 log(φ_k + ε) for every j, with the row constant that the code computes."""
    k = int(np.argmax(t))
    return np.array(
        [
            z[j] + lambda_positive * np.log(theta[j] + eps) - lambda_negative * np.log(phi[k] + eps)
            for j in range(len(z))
        ]
    )


def paper_logits(z, t, theta, phi, lambda_positive, lambda_negative, eps):
    """z_j + (1 − t_j) λ1 a_j + t_j λ2 b_j with a, b the logarithms of θ + ε, φ + ε over their means."""
    theta, phi = np.asarray(theta) + eps, np.asarray(phi) + eps
    a, b = np.log(theta / theta.mean()), np.log(phi / phi.mean())
    return np.array([z[j] + (1 - t[j]) * lambda_positive * a[j] + t[j] * lambda_negative * b[j] for j in range(len(z))])


def printed_logits(z, k, theta, phi, lambda_positive, lambda_negative):
    """The formula as the paper prints it: z_j + λ1 log θ_j − λ2 log φ_k for j ≠ k, z_k unchanged."""
    return np.array(
        [
            z[j] if j == k else z[j] + lambda_positive * np.log(theta[j]) - lambda_negative * np.log(phi[k])
            for j in range(len(z))
        ]
    )


FORMS = {"released": released_logits, "paper": paper_logits}


def gala_loss(
    logits, targets, theta, phi, *, form="released", lambda_positive=1.2, lambda_negative=0.9, eps=0.064,
    weight=None, label_smoothing=0.0, ignore_index=-100,
):  # fmt: skip
    """One loss per sample for logits (N, C); targets are class indices or rows of probabilities."""
    losses = []
    for z, target in zip(np.asarray(logits, dtype=np.float64), targets, strict=True):
        if np.ndim(target) == 0 and target == ignore_index:
            losses.append(0.0)
            continue
        t = one_hot(target, len(z)) if np.ndim(target) == 0 else np.asarray(target, dtype=np.float64)
        adjusted = FORMS[form](z, t, theta, phi, lambda_positive, lambda_negative, eps)
        losses.append(cross_entropy(adjusted, t, weight, label_smoothing))
    return np.array(losses)


def gradients(logits, targets, theta, phi, *, form="released", lambda_positive=1.2, lambda_negative=0.9, eps=0.064):
    """The C × C matrix of |∂L/∂z_j| caused by samples of class k, split into what θ and φ gain from one batch."""
    num_classes = len(theta)
    positive, negative = np.zeros(num_classes), np.zeros(num_classes)
    for z, target in zip(np.asarray(logits, dtype=np.float64), targets, strict=True):
        t = one_hot(target, num_classes) if np.ndim(target) == 0 else np.asarray(target, dtype=np.float64)
        r = t - softmax(FORMS[form](z, t, theta, phi, lambda_positive, lambda_negative, eps))
        for j in range(num_classes):
            positive[j] += max(r[j], 0.0)
            for k in range(num_classes):
                negative[k] += t[k] * max(-r[j], 0.0)
    return positive, negative


def accumulate(steps, how, decay=0.999):
    """θ after a list of per-step gradients: their sum, the released Σ_s (t − s + 1) g_s, or the discounted sum."""
    total = np.zeros_like(np.asarray(steps[0], dtype=np.float64))
    last = len(steps) - 1
    for s, g in enumerate(steps):
        factor = {"sum": 1.0, "released": last - s + 1, "ema": decay ** (last - s)}[how]
        total += factor * np.asarray(g, dtype=np.float64)
    return total
