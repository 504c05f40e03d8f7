import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from torchvision.datasets import FakeData, ImageFolder

from data.pictures import fill
from longtail.data import class_counts, labels_of, read_data
from longtail.samplers import ClassAwareSampler


class Whole(Dataset):
    targets = (0,) * 90 + (1,) * 10
    classes = ("head", "tail")

    def __len__(self):
        return 100

    def __getitem__(self, index):
        return torch.zeros(1), self.targets[index]


class Delegating(Dataset):
    """A subset that passes the attributes of the whole on."""

    def __init__(self, whole, indices):
        self.whole, self.indices_ = whole, indices

    def __len__(self):
        return len(self.indices_)

    def __getitem__(self, index):
        return self.whole[self.indices_[index]]

    def __getattr__(self, name):
        return getattr(self.__dict__["whole"], name)


def test_labels_of_the_whole_are_not_those_of_a_part():
    part = Delegating(Whole(), list(range(85, 100)))
    assert class_counts(part).tolist() == [5, 10]
    assert class_counts(Subset(part, [0, 5, 6])).tolist() == [1, 2]
    assert max(ClassAwareSampler(part)) < 15
    parts = read_data(part)
    assert parts.class_names == ("head", "tail")
    assert parts.train.class_counts.tolist() == [5, 10]


@pytest.mark.parametrize("names", [("crane", "crane"), ("crane", " crane"), (("crane", "bird"), ("crane", "machine"))])
def test_classes_of_one_name_stay_two_and_are_noted(names):
    data = Whole()
    data.classes = names
    parts = read_data(data)
    assert (parts.class_names, parts.train.class_counts.tolist()) == (("0", "1"), [90, 10])
    (note,) = parts.notes
    assert note.startswith("Whole names the classes 0 and 1 '")
    assert note.endswith("crane': the labels are kept as names.")


def test_an_attribute_that_is_no_label_of_each_sample_is_not_believed():
    class Names(Dataset):
        labels = ("cat", "dog")

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return torch.zeros(1), [0, 1, 1][index]

    assert class_counts(Names()).tolist() == [1, 2]

    class Repeated(Dataset):
        targets = Whole.targets

        def __len__(self):
            return 300

        def __getitem__(self, index):
            return torch.zeros(1), self.targets[index % 100]

    assert class_counts(Repeated()).tolist() == [270, 30]


def test_labels_of_shape_n_1():
    """As MedMNIST has them."""

    class Med(Dataset):
        labels = np.array([[0], [1], [2], [1]], dtype=np.uint8)

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return np.zeros((2, 2)), self.labels[index]

    assert class_counts(Med()).tolist() == [1, 2, 1]
    assert class_counts(Subset(Med(), [1, 3])).tolist() == [0, 2]
    assert class_counts(ConcatDataset([Med(), Med()])).tolist() == [2, 4, 2]
    assert class_counts([(0, np.array([1])), (0, np.array([0]))]).tolist() == [1, 1]
    assert read_data(Med()).train.class_counts.tolist() == [1, 2, 1]


def test_identifiers_are_not_counted_as_indices_but_are_names():
    with pytest.raises(ValueError, match=r"class indices below 1,000,000. Got 1000000055 at index 1.*np.unique"):
        labels_of([10, 1_000_000_055])
    data = TensorDataset(torch.zeros(4, 2), torch.tensor([10, 1_000_000_055, 2280, 10]))
    parts = read_data(data)
    assert parts.class_names == ("10", "2280", "1000000055")
    assert class_counts(parts).tolist() == class_counts(parts.train).tolist() == [2, 1, 1]


def test_torchvision_and_subsets_of_it(tmp_path):
    folder = ImageFolder(fill(tmp_path, {"b": 2, "a": 3, "c": 1}))
    parts = read_data(folder)
    assert parts.class_names == ("a", "b", "c")
    assert parts.train.class_counts.tolist() == [3, 2, 1]
    assert read_data(Subset(folder, [0, 3, 4])).train.class_counts.tolist() == [1, 2, 0]
    part = parts.train.take([5, 0])
    assert [part.items[i][1] for i in range(2)] == part.target.tolist() == [2, 0]
    assert part.take([1]).items[0][1] == 0
    fake = FakeData(8, (3, 4, 4), num_classes=3)
    assert read_data(fake).train.class_counts.sum() == 8


def test_parts_by_name():
    data = TensorDataset(torch.zeros(3, 1), torch.tensor([0, 1, 1]))
    parts = read_data({"train": data, "validation": data, "test": data})
    assert [name for name, _ in parts.items()] == ["train", "validation", "test"]
    with pytest.raises(ValueError, match="`data` must hold a part named train. Got data that hold validation alone"):
        read_data({"val": data})
    with pytest.raises(ValueError, match="`data` must map train, and at most val and test, .* Got val, validation"):
        read_data({"val": data, "validation": data})


@pytest.mark.parametrize(("names", "got"), [((), "none"), (("train", "extra"), "train, extra")])
def test_a_mapping_of_other_names_is_refused(names, got):
    with pytest.raises(ValueError, match=f"`data` must map train, and at most val and test, to data sets. Got {got}."):
        read_data(dict.fromkeys(names, ([[1.0], [2.0]], ["ant", "bee"])))


def test_a_data_set_of_names_keeps_them():
    items = [(torch.zeros(1), name) for name in ("fox", "ant", "fox")]
    assert read_data(items).class_names == ("ant", "fox")


def test_what_has_no_items_by_index_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            yield torch.zeros(1), 0

    with pytest.raises(TypeError, match="map-style data set, .* Got a stream, Stream"):
        read_data(Stream())
    with pytest.raises(TypeError, match="not a DataLoader. Pass its `.dataset`"):
        read_data(DataLoader(Whole()))
    with pytest.raises(TypeError, match="`data` must be a path, a pandas table"):
        read_data(7)
    with pytest.raises(ValueError, match="`root` must be left out for a data set object"):
        read_data(Whole(), root="x")
    with pytest.raises(ValueError, match="test must hold items, as train does. Got features"):
        read_data(Whole(), test=(np.zeros((3, 2)), ["head", "tail", "tail"]))


def test_counting_takes_what_read_data_takes(tmp_path):
    fill(tmp_path, {"10": 1, "2280": 3})
    assert class_counts(tmp_path).tolist() == [1, 3]
    assert class_counts(str(tmp_path)).tolist() == [1, 3]
    assert sorted(ClassAwareSampler(tmp_path, num_samples=4)) != []


def test_a_list_of_dictionaries_is_no_table():
    with pytest.raises(
        ValueError, match=r"`label` must be left out for a list of dictionaries, .* pandas.DataFrame\(rows\)"
    ):
        read_data([{"x": 1.0, "kind": "a"}, {"x": 2.0, "kind": "b"}], label="kind")
