import pytest

from longtail.analysis import GradientRecorder
from longtail.recipes import digits_lt
from longtail.training import Callback, run_experiment


@pytest.mark.parametrize("config", ["digits-lt", {"epochs": 1}, digits_lt, None])
def test_what_is_no_configuration_is_refused(tmp_path, config):
    with pytest.raises(TypeError, match="`config` must be a TrainingConfig. Got .* Recipes return one"):
        run_experiment(config, data=None, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ((callback for callback in [GradientRecorder()]), r"`callbacks` must be a list. Got generator. Pass"),
        (None, r"`callbacks` must be a list. Got NoneType. Pass"),
        (GradientRecorder(), r"`callbacks` must be a list. Got one GradientRecorder. Pass `callbacks=\[…\]`"),
        (GradientRecorder, r"Make one: `GradientRecorder\(…\)`"),
        ([GradientRecorder], r"Make one: `GradientRecorder\(…\)`"),
        ([print], "`callbacks` must hold objects of `longtail.training.Callback`. Got <built-in function print>."),
    ],
)
def test_what_is_no_list_of_callbacks_is_refused(tmp_path, callbacks, message):
    with pytest.raises(TypeError, match=message):
        run_experiment(digits_lt(epochs=1), data=None, out=tmp_path / "run", callbacks=callbacks)


def test_two_callbacks_whose_state_begins_empty_are_refused(tmp_path):
    recorders = [GradientRecorder(), GradientRecorder(most_classes=3)]
    with pytest.raises(
        ValueError, match="`callbacks` with a state must be of different classes. Got GradientRecorder, "
    ):
        run_experiment(digits_lt(epochs=1), data=None, out=tmp_path / "run", callbacks=recorders)


def test_a_callback_that_does_not_start_ends_the_run_with_its_error(tmp_path):
    class Refuses(Callback):
        def on_train_start(self, plan):
            raise ValueError("the reason")

    class Started(Callback):
        began = False

        def on_train_start(self, plan):
            self.began = True

        def on_train_end(self):
            ended.append(self)
            assert self.began

    ended: list[Callback] = []
    first = Started()
    with pytest.raises(ValueError, match="the reason"):
        run_experiment(digits_lt(epochs=1), data=None, out=tmp_path / "run", callbacks=[first, Refuses(), Started()])
    assert ended == [first]


def test_the_path_of_a_first_stage_is_refused(tmp_path):
    with pytest.raises(TypeError, match="`first_stage` must be a RunFolder"):
        run_experiment(digits_lt(epochs=1), data=None, out=tmp_path / "run", first_stage="runs/ce")
