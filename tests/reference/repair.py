"""Scores of decisions and calibration errors, one sample and one class at a time."""

import numpy as np


def recall_of(label, target, predicted):
    own = [p == t for t, p in zip(target, predicted, strict=True) if t == label]
    return sum(own) / len(own) if own else None


def balanced_accuracy(target, predicted, num_classes):
    recalls = [recall_of(label, target, predicted) for label in range(num_classes)]
    return np.mean([recall for recall in recalls if recall is not None])


def accuracy_under(prior, target, predicted, num_classes):
    recalls = {label: recall_of(label, target, predicted) for label in range(num_classes)}
    seen = [label for label, recall in recalls.items() if recall is not None]
    return sum(prior[label] * recalls[label] for label in seen) / sum(prior[label] for label in seen)


def macro_f1(target, predicted, num_classes):
    scores = []
    for label in range(num_classes):
        true = sum(t == label for t in target)
        claimed = sum(p == label for p in predicted)
        both = sum(t == label == p for t, p in zip(target, predicted, strict=True))
        if true:
            precision, recall = (both / claimed if claimed else 0.0), both / true
            scores.append(2 * precision * recall / (precision + recall) if both else 0.0)
    return np.mean(scores)


def worst(share, target, predicted, num_classes):
    recalls = sorted(
        recall for label in range(num_classes) if (recall := recall_of(label, target, predicted)) is not None
    )
    return np.mean(recalls[: max(1, int(np.ceil(share * len(recalls))))])


def expected_cost(cost, prior, target, predicted, num_classes):
    total = share = 0.0
    for label in range(num_classes):
        own = [cost[label][p] for t, p in zip(target, predicted, strict=True) if t == label]
        if own:
            total, share = total + prior[label] * sum(own) / len(own), share + prior[label]
    return total / share


def calibration_error(confidence, correct, weight, bins=15):
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [i for i, c in enumerate(confidence) if low <= c < high or c == high == 1]
        total += abs(sum(weight[i] * (confidence[i] - correct[i]) for i in inside))
    return total / sum(weight)


def prior_by_em(probability, prior, passes):
    """Saerens et al., 2002, equations 2.9 and 2.10: posteriors under the prior of now, then their mean."""
    new = prior.copy()
    for _ in range(passes):
        posterior = probability * (new / prior)
        posterior /= posterior.sum(1, keepdims=True)
        new = posterior.mean(0)
    return new
