"""What result.json of a run folder holds."""

from longtail.runs.fields import Rules, is_count, is_list, is_mapping, is_number, is_object, is_text, or_null


def _is_score(value: object) -> bool:
    return or_null(is_number)(value) or is_list(or_null(is_number))(value)  # a list has one number for each class


def _is_scores(value: object) -> bool:
    return is_mapping(is_mapping(_is_score))(value)


def _is_first_stage(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("config"), dict)


FIELDS: Rules = {
    "epoch": ("be a whole number", is_count),
    "test": ("hold numbers, or null, under the name of each treatment", _is_scores),
    "fit_on": ("be the name of a set", is_text),
    "best_on_test": ("hold numbers under the name of each treatment", _is_scores),
    "validation": ("hold numbers, or null", is_mapping(or_null(is_number))),
    "class_counts": ("be a list of whole numbers", is_list(is_count)),
    "network": ("be an object", is_object),
    "parameters": ("be a whole number", is_count),
    "training_minutes": ("be a number", is_number),
    "notes": ("be a list of texts", is_list(is_text)),
    "backbone": ("be text", is_text),
    "first_stage": ("have a `config`", _is_first_stage),
}
