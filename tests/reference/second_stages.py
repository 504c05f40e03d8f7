"""Second stages on features, step by step in float64.

Kang et al. (ICLR 2020), Zhang et al. (CVPR 2021: DisAlign), Alshammari et al. (CVPR 2022).
"""

import numpy as np


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def train(batches, weight, bias, *, learns, rate, momentum, decay, epochs, longest=None, shift=0.0):
    """logits = s_c (w_c · x + b_c) + shift_c, cross-entropy, SGD with weight decay; `longest` limits weight norms.

    `batches(epoch)` gives (features, labels) of each step. Returns weight, bias and scales at the end.
    """
    values = {"weight": weight.astype(np.float64), "bias": bias.astype(np.float64), "scales": np.ones(len(bias))}
    speed: dict[str, np.ndarray] = {}
    learnt = {"classifier": ("weight", "bias"), "scales": ("scales",), "both": ("weight", "bias", "scales")}[learns]
    for epoch in range(1, epochs + 1):
        current = rate(epoch)
        for x, y in batches(epoch):
            inner = x @ values["weight"].T + values["bias"]
            error = softmax(values["scales"] * inner + shift)
            error[np.arange(len(y)), y] -= 1
            error /= len(y)
            gradients = {
                "weight": (error * values["scales"]).T @ x,
                "bias": (error * values["scales"]).sum(0),
                "scales": (error * inner).sum(0),
            }
            for name in learnt:
                gradient = gradients[name] + decay * values[name]
                speed[name] = momentum * speed[name] + gradient if name in speed else gradient
                values[name] = values[name] - current * speed[name]
            if longest is not None:
                length = np.linalg.norm(values["weight"], axis=1, keepdims=True)
                values["weight"] = values["weight"] * np.minimum(longest / length, 1)
    return values["weight"], values["bias"], values["scales"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def calibrated_logits(features, values):
    """ŝ_ij = σ(x_i) (α_j z_ij + β_j) + (1 − σ(x_i)) z_ij, one sample and one class at a time."""
    logits = np.zeros((len(features), len(values["magnitude"])))
    for i, x in enumerate(features):
        confidence = sigmoid(values["confidence.weight"][0] @ x + values["confidence.bias"][0])
        for j in range(logits.shape[1]):
            z = values["linear.weight"][j] @ x + (values["linear.bias"][j] if "linear.bias" in values else 0)
            logits[i, j] = confidence * (values["magnitude"][j] * z + values["margin"][j]) + (1 - confidence) * z
    return logits


def train_calibration(batches, values, class_counts, *, power, rate, momentum, decay, epochs):
    """Magnitudes, margins and confidence of `calibrated_logits` by SGD with weight decay.

    The loss is cross-entropy weighted by (1 / π_c)^ρ, divided by the weights of the batch. `batches(epoch)` gives
    (features, labels) of each step. Returns the values at the end; those of the linear classifier are as they were.
    """
    prior = np.asarray(class_counts, dtype=np.float64) / np.sum(class_counts)
    weights = (1 / prior) ** power
    weights = weights / weights.sum()
    values = {name: value.astype(np.float64) for name, value in values.items()}
    speed: dict[str, np.ndarray] = {}
    for epoch in range(1, epochs + 1):
        for x, y in batches(epoch):
            error = softmax(calibrated_logits(x, values))
            error[np.arange(len(y)), y] -= 1
            error *= (weights[y] / weights[y].sum())[:, None]
            plain = x @ values["linear.weight"].T + values["linear.bias"]
            confidence = sigmoid(x @ values["confidence.weight"].T + values["confidence.bias"])
            change = (values["magnitude"] - 1) * plain + values["margin"]
            inner = (error * change).sum(1, keepdims=True) * confidence * (1 - confidence)
            gradients = {
                "magnitude": (error * confidence * plain).sum(0),
                "margin": (error * confidence).sum(0),
                "confidence.weight": inner.T @ x,
                "confidence.bias": inner.sum(0),
            }
            for name, found in gradients.items():
                gradient = found + decay * values[name]
                speed[name] = momentum * speed[name] + gradient if name in speed else gradient
                values[name] = values[name] - rate(epoch) * speed[name]
    return values
