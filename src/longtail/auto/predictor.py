"""Predictions of a finished run for new samples: class names and probabilities."""

import os
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import check_integer
from longtail.auto.named_features import ordered_features
from longtail.auto.run_sets import RunSets
from longtail.auto.several_samples import check_images, several_samples
from longtail.data import DataInfo, FeatureViews, Samples, Split, StreamedImages, image_loader
from longtail.data.check import Progress
from longtail.data.column_source import has_columns, rows_to_predict
from longtail.data.packed_images import packed_at, packed_images
from longtail.data.tables.parquet_images import table_images
from longtail.models import fold_batch_norm
from longtail.posthoc.conformal import check_miscoverage, fewest_samples
from longtail.repair import Fix
from longtail.runs import RunFolder
from longtail.training import stored_config, trained_network
from longtail.training.outputs import outputs_of

SeveralSamples = Sequence[Any] | np.ndarray | Samples | str | os.PathLike[str]


class Predictor:
    """A trained network with its class names, the preprocessing of its inputs, and the fix of its run.

    Args:
        folder: a complete run that holds `data.json`.

    Attributes:
        class_names: (C,), in the order of the probabilities.
        config: configuration of the run.
        fix: offsets and temperature that are applied, or None where the run has none.

    Raises:
        ValueError: the run is not complete, was saved by a version that kept no class names, or its `fix.json` is
            for other classes.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import features
        >>> from longtail.training import run_experiment
        >>> y = np.repeat(["otter", "whale"], [60, 30])
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32) + 5 * (y == "whale")[:, None]
        >>> run = run_experiment(features(epochs=5, batch_size=16), data=(X, y), out=tempfile.mkdtemp() + "/run")
        >>> predictor = Predictor(run)
        >>> predictor(X[-1])[0][0], predictor.probabilities(X[:3]).shape, predictor.fix
        ('whale', (3, 2), None)
    """

    def __init__(self, folder: RunFolder) -> None:
        if folder.data is None:
            raise ValueError(f"{folder.path} must hold data.json, which holds the class names. Train the run again.")
        self.folder, self.info = folder, DataInfo.from_json(folder.data)
        self.class_names = self.info.class_names
        network = trained_network(folder)
        self.network = fold_batch_norm(network) if len(self.info.input_shape) > 1 else network
        self.config = stored_config(folder)
        self._sets: dict[tuple[float, str], RunSets] = {}
        self.fix = Fix.load(folder.fix_path, self.class_names) if folder.fix_path.exists() else None

    def __call__(self, sample: Any) -> list[tuple[str, float]]:
        """Names and probabilities of all classes for one sample, the most probable first.

        Args:
            sample: the path of an image, an image (Pillow's, an array, a tensor), or (D,) features. Features with
                names, as a dictionary or a row of a pandas table, are matched by name if those of the run have names.

        Raises:
            TypeError: several samples; `batch` takes those, also as a pandas table.
            ValueError: features are missing, too many or not finite.
        """
        several = isinstance(sample, (list, tuple)) and sample and not isinstance(sample[0], Real)
        if several or isinstance(sample, Samples) or hasattr(sample, "columns"):
            raise TypeError(f"`sample` must be one sample. Got {len(sample)}: predictor.batch(samples) takes several.")
        probability = self.probabilities([sample])[0]
        order = np.argsort(-probability, kind="stable")
        return [(self.class_names[index], float(probability[index])) for index in order]

    def batch(
        self, samples: SeveralSamples, *, top: int = 1, prior: str | None = None, progress: Progress | None = None
    ) -> list[list[tuple[str, float]]]:
        """The `top` ≥ 1 most probable classes of each sample; the other arguments as in `probabilities`."""
        check_integer("top", top, minimum=1)
        probability = self.probabilities(samples, prior=prior, progress=progress)
        order = np.argsort(-probability, axis=1, kind="stable")[:, :top]
        return [
            [(self.class_names[index], float(row[index])) for index in own]
            for row, own in zip(probability, order, strict=True)
        ]

    def sets(
        self,
        samples: SeveralSamples,
        miscoverage: float = 0.1,
        *,
        prior: str | None = None,
        progress: Progress | None = None,
    ) -> list[list[tuple[str, float]]]:
        """The prediction set of each sample: names and probabilities of its classes, the most probable first.

        The set contains the true class with a probability of at least about 1 − `miscoverage`. It has the predicted
        class and all classes whose probability, divided by their frequency in the training data, is at least a
        threshold. The threshold is fitted on the held-out samples of the run (`longtail.posthoc.PredictionSets`). A
        temperature and the weight of the class frequencies come from the same samples (`longtail.auto.run_sets`), so
        the guarantee is approximate.

        Args:
            samples: as in `probabilities`.
            miscoverage: between 0 and 1: the share of samples whose set may miss the true class.
            prior: as in `probabilities`; with "training" sets are smaller and miss rare classes more often.
            progress: as in `probabilities`.

        Raises:
            ValueError: the run has no held-out samples, too few for `miscoverage`, or damaged logits of them; otherwise
                as `probabilities`.
            TypeError: as `probabilities`.
        """
        self._check_prior(prior)
        check_miscoverage("miscoverage", miscoverage)
        sets = self._run_sets(miscoverage, prior or "uniform")
        logits = self.logits(samples, progress=progress)
        probability = self._probabilities(logits, prior)
        order = np.argsort(-probability, axis=1, kind="stable")
        inside = sets.holds(logits.double().numpy(), order[:, 0])
        return [
            [(self.class_names[index], float(row[index])) for index in own if held[index]]
            for row, own, held in zip(probability, order, inside, strict=True)
        ]

    def probabilities(
        self, samples: SeveralSamples, *, prior: str | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """(N, C), those of the fix of the run where it has one.

        Args:
            samples: as in calling it, several; images are all paths, or none is. A Parquet or tar file of images, or
                a folder of them, by its path (row by row, files in the order of their paths); a pandas table or a
                column of images as bytes; a data set with columns, as those of Hugging Face; or `Samples` of images, as
                `read_data` reads them.
            prior: how often classes come: "uniform" (the default), or "training", as in the training data.
            progress: called with the name of the step and the completed share of it.

        Raises:
            ValueError: another prior, or any for a run without a fix.
            TypeError: not several samples.
        """
        self._check_prior(prior)
        return self._probabilities(self.logits(samples, progress=progress), prior)

    def logits(self, samples: SeveralSamples, *, progress: Progress | None = None) -> Tensor:
        """(N, C) float32, of the network alone."""
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bfloat16")
        split = self._split(samples)
        return outputs_of(self.network, split, len(self.class_names), autocast, progress, "predicting")

    def __repr__(self) -> str:
        fixed = "no fix" if self.fix is None else "with its fix"
        return f"Predictor({str(self.folder.path)!r}: {self.config.model}, {len(self.class_names)} classes, {fixed})"

    def _check_prior(self, prior: str | None) -> None:
        if prior not in (None, "uniform", "training"):
            raise ValueError(f"`prior` must be 'uniform' or 'training'. Got {prior!r}.")
        if prior is not None and self.fix is None:
            raise ValueError(
                f"`prior` must be left out for a run without fix.json. Got {prior!r} for {self.folder.path}."
            )

    def _probabilities(self, logits: Tensor, prior: str | None) -> np.ndarray:
        logits = logits.double()
        if self.fix is None:
            return torch.softmax(logits, dim=1).numpy()
        counts = np.maximum(np.asarray(self.info.class_counts, dtype=np.float64), 0.5)
        share = counts / counts.sum() if prior == "training" else prior
        return np.asarray(self.fix.predict_proba(logits.numpy(), share))

    def _run_sets(self, miscoverage: float, prior: str) -> RunSets:
        if (miscoverage, prior) not in self._sets:
            self._sets[miscoverage, prior] = self._fitted_sets(miscoverage, prior)
        return self._sets[miscoverage, prior]

    def _fitted_sets(self, miscoverage: float, prior: str) -> RunSets:
        if "validation" not in self.folder.predicted_sets:
            raise ValueError(
                f"Prediction sets (--sets) need held-out samples. {self.folder.path} has none: train with --validation."
            )
        held_out = self.folder.load_predictions("validation")
        number = len(held_out[1])
        if number < fewest_samples(miscoverage):
            raise ValueError(
                f"`miscoverage` (--sets) of {miscoverage:g} needs at least {fewest_samples(miscoverage):,} held-out "
                f"samples. {self.folder.path} has {number:,}: choose a larger one, or train with a larger "
                "--validation."
            )
        logits = held_out[0]
        if logits.shape[1] != len(self.class_names) or not np.isfinite(logits).all():
            raise ValueError(
                f"{self.folder.path} must hold finite logits of its {len(self.class_names)} classes for its held-out "
                "samples. It holds others: its predictions-validation.npz is damaged, or its training has diverged. "
                "Restore the file, or train the run again."
            )
        counts = np.asarray(self.info.class_counts)
        return RunSets.fitted(*held_out, class_counts=counts, miscoverage=miscoverage, prior=prior)

    def _split(self, samples: Any) -> Split:
        on_features = len(self.info.input_shape) == 1
        if has_columns(samples):
            samples = rows_to_predict(samples)
        if not on_features:
            samples = _without_labels(samples)
        samples = several_samples(samples)
        if isinstance(samples, Samples):
            _refuse_other_kinds(samples.kind, on_features)
            return self._images(samples)
        if on_features:
            features = ordered_features(samples, self.info.feature_names, self.info.input_shape[0])
            return FeatureViews(torch.from_numpy(features)[None], torch.zeros(len(samples), dtype=torch.int64))
        check_images(samples)
        paths = all(isinstance(sample, (str, os.PathLike)) for sample in samples)
        files = tuple(map(str, samples)) if paths else None
        of_these = Samples(
            np.zeros(len(samples), dtype=np.int64),
            self.class_names,
            files=files,
            root=Path(),
            items=None if paths else [(s,) for s in samples],
        )
        return self._images(of_these)

    def _images(self, samples: Samples) -> Split:
        load = image_loader(samples, self.info.input_shape[1], self.info.crop_pct, self.info.interpolation)
        target = torch.zeros(len(samples), dtype=torch.int64)
        return StreamedImages(load, target, self.info.mean, self.info.std, torch.channels_last)


def _without_labels(samples: Any) -> Any:
    """The images in Parquet or tar files, or in a table or column of bytes; anything else is returned as it is."""
    if isinstance(samples, (str, os.PathLike)):
        packed = packed_at(Path(samples))
        return packed_images(packed, []) if packed else samples
    found = table_images(samples)
    return samples if found is None else found


def _refuse_other_kinds(kind: str, on_features: bool) -> None:
    if on_features:
        raise TypeError(
            "`samples` must be a pandas table or rows of features, as the run was trained on. Got `Samples`."
        )
    if kind not in ("files", "images", "items"):
        raise TypeError(f"`samples` must hold images, as the run was trained on. Got {kind}.")


def load(run: str | os.PathLike[str]) -> Predictor:
    """The predictor of a finished run.

    Args:
        run: its folder.

    Raises:
        FileNotFoundError, ValueError: no run, not complete, or saved by a version that kept no class names.

    Example:
        >>> import tempfile, numpy as np
        >>> from longtail.auto import fit
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        >>> run = fit((X, np.repeat(["ant", "bee"], [60, 30])), out=tempfile.mkdtemp() + "/run", batch_size=16)
        >>> predictor = load(run.path)
        >>> len(predictor.batch(X[:5], top=2))
        5
    """
    return Predictor(RunFolder.open(run))
