"""The Meta Sampler of Ren et al. (NeurIPS 2020) in float64: section 3.2 and appendix B.1, unrolled by autograd."""

import torch
from torch.nn import functional as F


def straight_through(psi, target, noise):
    """s (B, N) of eq. 92 at temperature 1, one-hot forward: ρ_i ∝ σ(ψ) of the class of i, g = −log noise."""
    rates = psi.sigmoid()[target]
    soft = ((rates / rates.sum()).log() - noise.log()).softmax(1)
    hard = F.one_hot(soft.argmax(1), len(target)).to(soft.dtype)
    return hard - soft.detach() + soft


def gradient_of_rates(psi, target, noise, features, weight, bias, balanced, counts, rate):
    """∇ψ of the cross-entropy on `balanced` after one step of gradient descent by Balanced Softmax on the draws."""
    psi = psi.clone().requires_grad_()
    learnt = [value.clone().requires_grad_() for value in (weight, bias) if value is not None]
    samples = straight_through(psi, target, noise)
    drawn = samples.argmax(1)
    logits = F.linear(features[drawn], *learnt) + counts.log()
    losses = F.cross_entropy(logits, target[drawn], reduction="none")
    connected = losses * samples[torch.arange(len(drawn)), drawn]
    slopes = torch.autograd.grad(connected.mean(), learnt, create_graph=True)
    surrogate = [value - rate * slope for value, slope in zip(learnt, slopes, strict=True)]
    loss = F.cross_entropy(F.linear(balanced[0], *surrogate), balanced[1])
    return torch.autograd.grad(loss, psi)[0]
