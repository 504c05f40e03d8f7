"""Several views of each sample: copies that are augmented independently of each other."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from longtail.training.epochs import Epochs


@dataclass(frozen=True, kw_only=True)
class EpochsOfViews(Epochs):
    """The batches of each epoch, as (N, views, …) for N samples.

    Where a file could be decoded for some of its views only, the batch comes as samples (N · views at most, …).

    Attributes:
        views: number of copies of each sample, at least 2.
    """

    views: int

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and labels of the steps of one epoch, from `first_step` on."""
        generator, share, views = self.generator(epoch), self.share, self.views
        order = self.order(epoch, generator).repeat_interleave(views)
        starts = [step * self.size for step in range(first_step, self.steps)]
        parts = [slice(views * (start + share.start), views * (start + share.stop)) for start in starts]
        for images, target in self.data.batches(
            order, parts, augment=self.augment, generator=generator, each_once=False
        ):
            complete = len(images) == views * (share.stop - share.start) or self._in_rows(target)
            yield (images.view(-1, views, *images.shape[1:]), target[::views]) if complete else (images, target)

    def _in_rows(self, target: Tensor) -> bool:
        """Whether samples that are left have all their views."""
        if len(target) % self.views:
            return False
        rows = target.view(-1, self.views)
        return bool((rows == rows[:, :1]).all())
