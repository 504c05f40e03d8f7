import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from longtail.models import CifarResNet
from longtail.repair import Fix

NAMES = ("cat", "dog", "lynx")


def fix_of(names=NAMES, **changes):
    number = len(names)
    offset = np.random.default_rng(0).normal(size=number)
    even = np.full(number, 1 / number)
    return Fix(offset - offset.mean(), 2.0, offset / 2, even, tuple(names), "balanced accuracy", "by hand", **changes)


@pytest.fixture
def fix():
    return fix_of()


@pytest.mark.parametrize("bias", [True, False])
def test_folded_into_a_model_its_largest_output_is_the_decision(fix, bias):
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3, bias=bias)).double()
    inputs = torch.randn(50, 5, dtype=torch.float64)
    folded = fix.fold_into(model)
    torch.testing.assert_close(folded(inputs), fix(model(inputs).detach()) / 2)
    assert torch.equal(folded(inputs).argmax(1), fix.predict(model(inputs).detach()))
    assert (model[2].bias is None) == (not bias)


def test_folded_into_a_network(fix):
    network = CifarResNet(8, 3, in_channels=1).eval()
    images = torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(fix.fold_into(network)(images), fix(network(images).detach()) / 2)
    with pytest.raises(ValueError, match="`module` must have 3 outputs, one per class. Got 4"):
        fix.fold_into(torch.nn.Linear(2, 4))
    with pytest.raises(ValueError, match="Layers with 3 outputs: none. The last with parameters is nothing"):
        fix.fold_into(torch.nn.ReLU())


class Own(nn.Linear):
    def forward(self, x):
        return super().forward(x)


class WithAuxiliary(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head, self.aux = nn.Linear(3, 8), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.body(x))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(3, 4), nn.Linear(4, 3)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.embedding(x).mean(1))


def hooked():
    layer = nn.Linear(4, 3)
    layer.register_forward_hook(lambda *_: None)
    return nn.Sequential(nn.Linear(4, 4), layer)


NORMED = nn.utils.parametrizations.weight_norm
UNCLEAR = {
    "weight norm after a layer of as many outputs": lambda: nn.Sequential(
        nn.Linear(4, 3), nn.Tanh(), NORMED(nn.Linear(3, 3))
    ),
    "a convolution": lambda: nn.Sequential(nn.Linear(4, 3), nn.Conv1d(3, 3, 1)),
    "a class of its own": lambda: nn.Sequential(nn.Linear(4, 3), Own(3, 3)),
    "an auxiliary head": WithAuxiliary,
    "a hook": hooked,
    "tied weights": Tied,
    "two of them": lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_it_is_folded_into_nothing_that_may_not_make_the_output(fix, name):
    with pytest.raises((ValueError, TypeError), match="`module` must end with|plain parameters|must not share"):
        fix.fold_into(UNCLEAR[name]())


def test_the_layer_can_be_named(fix):
    model = WithAuxiliary().double()
    inputs = torch.randn(20, 3, dtype=torch.float64)
    folded = fix.fold_into(model, layer="head")
    assert torch.equal(folded(inputs).argmax(1), fix.predict(model(inputs).detach()))
    assert torch.equal(folded.aux.weight, model.aux.weight)
    with pytest.raises(ValueError, match="`layer` must be a module of the model. Got 'nose'"):
        fix.fold_into(model, layer="nose")
    with pytest.raises(ValueError, match="`body` must have 3 outputs"):
        fix.fold_into(model, layer="body")


def test_a_frozen_layer_stays_frozen(fix):
    layer = nn.Linear(4, 3).requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in fix.fold_into(layer).parameters())


class TwoHeads(nn.Module):
    """Two heads of one size, the second of which is not the last with parameters."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(5, 8)
        self.genus_head, self.species_head = nn.Linear(8, 3), nn.Linear(8, 3)
        self.position = nn.Linear(8, 2)

    def forward(self, x):
        features = self.body(x).relu()
        return self.genus_head(features), self.species_head(features), self.position(features)


def test_one_of_two_heads(fix):
    model = TwoHeads().double()
    calls = []
    model.register_forward_hook(lambda *_: calls.append("model"))
    model.body.register_forward_hook(lambda *_: calls.append("body"))
    inputs = torch.randn(20, 5, dtype=torch.float64)
    before, after = model(inputs), fix.fold_into(model, layer="species_head")(inputs)
    assert calls == ["body", "model"] * 2
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[2], after[2])
    torch.testing.assert_close(after[1], fix(before[1].detach()) / 2)
    with pytest.raises(ValueError, match='outputs: layer="genus_head", layer="species_head"'):
        fix.fold_into(model)


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_as_head(fix, kind, bias):
    places = (7,) * (1 if kind is nn.Conv1d else 2)
    model = nn.Sequential(
        kind(2, 6, 3),
        nn.ReLU(),
        kind(6, 3, 1, bias=bias),
        getattr(nn, f"AdaptiveAvgPool{len(places)}d")(1),
        nn.Flatten(),
    ).double()
    inputs = torch.randn(30, 2, *places, dtype=torch.float64)
    torch.testing.assert_close(fix.fold_into(model)(inputs), fix(model(inputs).detach()) / 2)
    assert (model[2].bias is None) == (not bias)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1), nn.Dropout(0.5), nn.Identity()])
def test_what_hands_logits_on_may_follow(fix, last):
    model = nn.Sequential(nn.Linear(4, 3), last).double().eval()
    inputs = torch.randn(30, 4, dtype=torch.float64)
    if isinstance(last, nn.Softmax):
        fix = dataclasses.replace(fix, takes="probabilities")
    assert torch.equal(fix.fold_into(model)(inputs).argmax(1), fix.predict(model(inputs).detach()))


class Squared(nn.Module):
    def forward(self, x):
        return x**2


def scaled():
    norm = nn.BatchNorm1d(3)
    norm.running_var.fill_(4.0)
    return norm


@pytest.mark.parametrize("last", [nn.ReLU(), nn.Tanh(), nn.Sigmoid(), scaled(), nn.LayerNorm(3), Squared()])
def test_what_changes_logits_may_not_follow(fix, last):
    with pytest.raises(ValueError, match=f"They are changed by {type(last).__name__}. Use"):
        fix.fold_into(nn.Sequential(nn.Sequential(nn.Linear(4, 3)), last), layer="0.0")


def test_squeezenet_puts_a_relu_behind_its_head(fix):
    models = pytest.importorskip("torchvision.models")
    with pytest.raises(ValueError, match="They are changed by ReLU, AdaptiveAvgPool2d"):
        fix.fold_into(models.squeezenet1_1(num_classes=3))


@pytest.mark.parametrize("name", ["resnet18", "resnetv2_50", "vit_tiny_patch16_224", "dpn68"])
@pytest.mark.slow
def test_heads_of_timm(fix, name):
    model = pytest.importorskip("timm").create_model(name, num_classes=3).eval()
    inputs = torch.randn(2, *model.pretrained_cfg["input_size"])
    torch.testing.assert_close(fix.fold_into(model)(inputs).detach(), fix(model(inputs).detach()) / 2)


class WithNames(nn.Module):
    """Carries class names in one of the places where models do."""

    def __init__(self, place, names):
        super().__init__()
        self.head = nn.Linear(4, 3)
        if place == "class_names":
            self.class_names = names
        elif place == "pretrained_cfg":
            self.pretrained_cfg = {"label_names": names}
        else:
            self.config = type("Config", (), {"id2label": {str(key): name for key, name in enumerate(names)}})()

    def forward(self, x):
        return self.head(x)


PLACES = ("class_names", "pretrained_cfg", "id2label")


@pytest.mark.parametrize("place", PLACES)
def test_classes_are_matched_by_name(fix, place):
    model = WithNames(place, ["lynx", "cat", "dog"]).double()
    inputs = torch.randn(40, 4, dtype=torch.float64)
    logits = model(inputs).detach()
    wanted = fix.predict(logits[:, [1, 2, 0]], names=True)
    for outer, folded in ((model, fix.fold_into(model)), (None, fix.fold_into(nn.Sequential(model))[0])):
        assert [["lynx", "cat", "dog"][index] for index in folded(inputs).argmax(1)] == wanted, outer


@pytest.mark.parametrize("place", PLACES)
def test_another_model_s_fix_is_refused(place):
    digits = WithNames(place, ["0", "1", "2"])
    with pytest.raises(ValueError, match="must be the classes of the model.* Only the fix has 'apple', 'pear', 'fig'"):
        fix_of(["apple", "pear", "fig"]).fold_into(digits)
    with pytest.raises(ValueError, match="pass `dataclasses.replace.fix, class_names"):
        fix_of(["0", "1", "two"]).fold_into(digits)


def test_names_that_say_nothing_are_no_names(fix):
    for model in (
        WithNames("id2label", ["LABEL_0", "LABEL_1", "LABEL_2"]),
        WithNames("class_names", ["of", "4", "c", "s"]),
    ):
        assert torch.equal(fix.fold_into(model).head.weight, model.head.weight / 2)


def test_other_kinds_of_models_are_refused(fix):
    with pytest.raises(TypeError, match="must be a PyTorch module or a scikit-learn estimator. Got str"):
        fix.fold_into("model.onnx")
    with pytest.raises(ValueError, match="decides by costs"):
        dataclasses.replace(fix, cost=np.ones((3, 3))).fold_into(nn.Linear(4, 3))


@pytest.mark.parametrize("bias", [True, False])
def test_one_score_of_two_classes(bias):
    fix, inputs = fix_of(("cat", "lynx")), torch.randn(50, 5, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1, bias=bias)).double()
    score = model(inputs).detach()
    folded = fix.fold_into(model)(inputs)
    both = fix(torch.cat([torch.zeros_like(score), score], 1)) / fix.temperature
    torch.testing.assert_close(folded, both[:, 1:] - both[:, :1])
    assert torch.equal((folded > 0).long()[:, 0], fix.predict(score))


@pytest.mark.parametrize("takes", ["logits", "probabilities"])
def test_a_sigmoid_may_follow_one_score(takes):
    fix, inputs = fix_of(("cat", "lynx"), takes=takes), torch.randn(50, 5)
    model = nn.Sequential(nn.Linear(5, 1), nn.Sigmoid(), nn.Flatten(0))
    given = (model if takes == "probabilities" else model[:1])(inputs).detach().view(-1, 1)
    torch.testing.assert_close(fix.fold_into(model)(inputs), fix.predict_proba(given).view(50, -1)[:, -1])


def test_a_map_of_one_score_may_be_pooled():
    fix = fix_of(("cat", "lynx"))
    model = nn.Sequential(nn.Conv2d(4, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.randn(6, 4, 5, 5)
    assert torch.equal((fix.fold_into(model)(images) > 0).long()[:, 0], fix.predict(model(images).detach()))


@pytest.mark.parametrize("last", [nn.Tanh(), nn.Softmax(1), nn.ReLU()], ids=lambda last: type(last).__name__)
def test_what_changes_one_score_may_not_follow(last):
    with pytest.raises(ValueError, match="must not change the logits of its layer '0'"):
        fix_of(("cat", "lynx")).fold_into(nn.Sequential(nn.Linear(3, 1), last))


def test_one_score_is_of_two_classes_alone(fix):
    with pytest.raises(ValueError, match="must have 3 outputs, one per class. Got 1"):
        fix.fold_into(nn.Linear(3, 1))
    with pytest.raises(ValueError, match="Layers with 1 output: layer=\"0\". The last with parameters is '1'"):
        fix_of(("cat", "lynx")).fold_into(nn.Sequential(nn.Linear(3, 1), nn.Linear(1, 4)))
