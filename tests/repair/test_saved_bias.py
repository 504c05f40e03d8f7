"""A bias in a model that builds itself from a configuration, as those of Hugging Face do."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from longtail.repair import Fix


class Config:
    def __init__(self, **values):
        self.num_labels, self.attention_bias = 3, False
        vars(self).update(values)


class Model(nn.Module):
    """Has the contract that counts: built of its configuration, saved as configuration and tensors."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        switch = getattr(config, "classifier_bias", False)
        self.attention = nn.Linear(4, 4, bias=config.attention_bias)
        self.dense = nn.Linear(4, 4, bias=switch)
        self.classifier = nn.Linear(4, config.num_labels, bias=switch)

    def forward(self, x):
        return self.classifier(self.dense(self.attention(x)).tanh())

    def save_pretrained(self):
        return copy.deepcopy(self.config), self.state_dict()

    @classmethod
    def from_pretrained(cls, saved):
        config, tensors = saved
        model = cls(config)
        model.load_state_dict({name: value for name, value in tensors.items() if name in model.state_dict()})
        return model


@pytest.fixture
def fix():
    offset, even = np.array([-1.0, 0.25, 0.75]), np.full(3, 1 / 3)
    return Fix(offset, 2.0, offset / 2, even, ("cat", "dog", "lynx"), "balanced accuracy", "by hand")


def test_the_switch_of_the_configuration_is_set(fix):
    model, inputs = Model(Config(classifier_bias=False)), torch.randn(20, 4)
    folded = fix.fold_into(model)
    torch.testing.assert_close(folded(inputs), fix(model(inputs).detach()) / 2)
    torch.testing.assert_close(Model.from_pretrained(folded.save_pretrained())(inputs), folded(inputs))
    assert folded.config.classifier_bias
    assert not folded.config.attention_bias
    assert not model.config.classifier_bias
    assert model.dense.bias is None


def test_as_a_part_of_another_model(fix):
    model, inputs = nn.Sequential(nn.Identity(), Model(Config(classifier_bias=False))), torch.randn(20, 4)
    folded = fix.fold_into(model)
    torch.testing.assert_close(Model.from_pretrained(folded[1].save_pretrained())(inputs), folded(inputs))


def test_without_a_switch_the_bias_would_be_lost(fix):
    with pytest.raises(
        ValueError, match="layer 'classifier', which has none. Model builds it without one.*lose the fix"
    ):
        fix.fold_into(Model(Config()))


def test_a_bias_that_is_there_needs_no_switch(fix):
    model = Model(Config(classifier_bias=True))
    assert vars(fix.fold_into(model).config) == vars(model.config)
