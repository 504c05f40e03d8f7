"""Annotations in COCO's format, as iNaturalist has them: images and their categories."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from longtail.data.large_sets.list_file import ListedFiles
from longtail.regular_file import check_regular


def read_annotations(path: Path) -> ListedFiles:
    """Read `images` (`id`, `file_name`) and `annotations` (`image_id`, `category_id`).

    Raises:
        ValueError: damaged, or of another format; an image has no annotation or several.
    """
    check_regular(path)
    try:
        content = json.loads(path.read_bytes(), object_hook=_what_counts)
        names, categories = dict(content["images"]), dict(content["annotations"])
        complete = (
            len(names) == len(content["images"]) == len(content["annotations"]) and names.keys() == categories.keys()
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path} must hold `images` and `annotations` in COCO's format. It does not ({type(error).__name__}: "
            f"{error}). Fetch it again."
        ) from None
    if not complete or not names:
        raise ValueError(
            f"{path} must hold one annotation for each image. Got {len(content['annotations']):,} for "
            f"{len(content['images']):,} images. Fetch it again."
        )
    labels = np.fromiter((categories[image] for image in names), dtype=np.int64, count=len(names))
    return ListedFiles(path, list(names.values()), labels, named="entry {:,} of `images`")


def _what_counts(entry: dict[str, Any]) -> Any:
    """Pairs in place of the entries of images and annotations, which would take ten times the memory."""
    if "file_name" in entry and "id" in entry:
        return entry["id"], entry["file_name"]
    if "category_id" in entry and "image_id" in entry:
        return entry["image_id"], entry["category_id"]
    return entry
