"""τ-normalisation and nearest class mean, against their formulas written out."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from longtail.posthoc import NearestClassMean, TauNormalization, tau_normalized

GENERATOR = torch.Generator().manual_seed(0)
CENTRES = torch.randn(4, 6, generator=GENERATOR, dtype=torch.float64) * 2
TARGET = torch.tensor([0] * 60 + [1] * 20 + [2] * 8 + [3] * 4)
FEATURES = CENTRES[TARGET] + torch.randn(92, 6, generator=GENERATOR, dtype=torch.float64) + 3


def classifier():
    linear = nn.Linear(6, 4)
    with torch.no_grad():
        linear.weight.copy_(CENTRES * torch.tensor([3.0, 2.0, 1.0, 0.3])[:, None])
    return linear


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_classifier_weights_are_divided_by_a_power_of_their_norm(tau):
    linear = classifier()
    normalized = tau_normalized(linear, tau)
    for before, after in zip(linear.weight, normalized.weight, strict=True):
        torch.testing.assert_close(after, before / before.norm() ** tau)
    assert linear.bias is not None
    if tau == 1:  # the scores are then cosines, but for the length of the feature
        cosines = nn.functional.cosine_similarity(FEATURES.float()[:, None], linear.weight[None], dim=2)
        scores = normalized(FEATURES.float()) / FEATURES.float().norm(dim=1, keepdim=True)
        torch.testing.assert_close(scores, cosines)
    assert normalized.bias is None


def balanced_accuracy(predicted):
    return np.mean([(predicted[c == TARGET] == c).double().mean().item() for c in range(4)])


@pytest.mark.parametrize("convert", [lambda x: x, lambda x: x.numpy()])
def test_tau_is_chosen_by_balanced_accuracy(convert):
    linear = classifier()
    fitted = TauNormalization().fit(linear, convert(FEATURES), convert(TARGET))
    scores = [balanced_accuracy(tau_normalized(linear, tau)(FEATURES.float()).argmax(1)) for tau in fitted.taus]
    np.testing.assert_allclose(fitted.balanced_accuracy_, scores)
    assert fitted.tau_ == fitted.taus[int(np.argmax(scores))]
    assert max(scores) > scores[0]  # for the long vectors of the head had cost the tail
    torch.testing.assert_close(fitted.linear_.weight, tau_normalized(linear, fitted.tau_).weight)


def nearest_by_hand(features, metric):
    centre = FEATURES.mean(0)
    unit = (FEATURES - centre) / (FEATURES - centre).norm(dim=1, keepdim=True)
    means = torch.stack([unit[c == TARGET].mean(0) for c in range(4)])
    predictions = []
    for feature in features:
        direction = (feature - centre) / (feature - centre).norm()
        if metric == "euclidean":
            predictions.append(int((means - direction).norm(dim=1).argmin()))
        else:
            predictions.append(int((means @ direction / means.norm(dim=1)).argmax()))
    return predictions


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_nearest_mean_of_centred_directions_wins(metric):
    fitted = NearestClassMean(metric).fit(FEATURES, TARGET)
    new = CENTRES.repeat_interleave(20, 0) + torch.randn(80, 6, generator=GENERATOR, dtype=torch.float64) * 2 + 3
    assert fitted.predict(new).tolist() == nearest_by_hand(new, metric)
    assert fitted.predict(new.numpy()).tolist() == nearest_by_hand(new, metric)
    np.testing.assert_allclose(fitted.centre_, FEATURES.mean(0))
    assert fitted.transform(new.float()).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_predictions_of_half_precision_are_not_those_of_rounded_scores(dtype):
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(400) % 40
    features = (torch.randn(40, 8, generator=generator)[target] + 5).to(dtype)
    new = (features.double() + torch.randn(400, 8, generator=generator)).to(dtype)
    fitted = NearestClassMean().fit(features, target)
    assert fitted.transform(new).dtype == dtype
    assert (fitted.predict(new) == fitted.predict(new.double())).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_class_without_a_sample_is_never_predicted(metric):
    fitted = NearestClassMean(metric).fit(FEATURES, TARGET, num_classes=6)
    assert np.isnan(fitted.means_[4:]).all()
    scores = fitted.transform(FEATURES)
    assert (scores[:, 4:] == -torch.inf).all()
    assert scores[:, :4].isfinite().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tau_normalized(nn.Linear(2, 2), -1), ValueError, "`tau` must be finite and at least 0"),
        (lambda: tau_normalized(nn.Conv2d(2, 2, 1), 1), TypeError, "`linear` must be an nn.Linear. Got Conv2d"),
        (
            lambda: tau_normalized(nn.utils.skip_init(nn.Linear, 2, 2).apply(lambda m: nn.init.zeros_(m.weight)), 1),
            ValueError,
            "That of class 0 is 0",
        ),
        (lambda: TauNormalization(taus=()).fit(classifier(), FEATURES, TARGET), ValueError, "`taus` must hold"),
        (lambda: TauNormalization().fit(classifier(), FEATURES[:, :5], TARGET), ValueError, r"shape \(N, 6\)"),
        (lambda: TauNormalization().linear_, AttributeError, "not fitted yet"),
        (lambda: NearestClassMean().predict(FEATURES), AttributeError, "not fitted yet"),
        (lambda: NearestClassMean("manhattan").fit(FEATURES, TARGET), ValueError, "`metric` must be one of"),
        (lambda: NearestClassMean().fit(FEATURES * torch.nan, TARGET), ValueError, "`features` must be finite"),
        (lambda: NearestClassMean().fit(FEATURES, TARGET[:3]), ValueError, "`target` must hold one label per sample"),
        (lambda: NearestClassMean().fit(FEATURES, []), ValueError, "`target` must hold one label per sample"),
        (lambda: NearestClassMean().fit(FEATURES, TARGET - 1), ValueError, r"`target` must lie in \[0, 3\). Got -1 at"),
        (
            lambda: NearestClassMean().fit(FEATURES, np.array(["a"] * 92)),
            TypeError,
            "`target` must hold class indices. Got names",
        ),
        (lambda: NearestClassMean().fit(FEATURES, TARGET * torch.nan), TypeError, "class indices, integers"),
        (lambda: NearestClassMean().fit(FEATURES, TARGET, 4.0), TypeError, "`num_classes` must be an integer"),
        (lambda: NearestClassMean().fit(FEATURES, TARGET, [60, 20, 8, 4]), TypeError, "pass their number"),
        (lambda: tau_normalized(classifier(), 1e4), ValueError, "`tau` must leave weights that torch.float32 holds"),
        (lambda: tau_normalized(classifier(), 1e39), ValueError, r"`tau` must be at most 1e\+15"),
        (lambda: TauNormalization(taus=0.5).fit(classifier(), FEATURES, TARGET), TypeError, r"0.5: pass \[0.5\]"),
    ],
)
def test_arguments_are_checked(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_labels_may_be_unsigned():
    fitted = NearestClassMean().fit(FEATURES, TARGET.numpy().astype(np.uint16))
    np.testing.assert_array_equal(fitted.means_, NearestClassMean().fit(FEATURES, TARGET).means_)


@pytest.mark.parametrize("method", [TauNormalization(taus=(0.0, 0.5)), NearestClassMean(metric="cosine")])
def test_scikit_learn_clones_them_without_what_they_learnt(method):
    arguments = (classifier(),) if isinstance(method, TauNormalization) else ()
    method.fit(*arguments, FEATURES, TARGET)
    copy = clone(method)
    assert copy.get_params() == method.get_params()
    with pytest.raises((AttributeError, ValueError), match="not fitted"):
        copy.linear_ if isinstance(method, TauNormalization) else copy.means_
    with pytest.raises(ValueError, match="`nothing` must be one of"):
        copy.set_params(nothing=1)
