"""Second stages on features, step by step in float64: Kang et al. (ICLR 2020), Alshammari et al. (CVPR 2022)."""

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
