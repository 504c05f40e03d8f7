"""Trained networks and fixes for other programs. ONNX needs `longtail[export]`."""

from longtail.export.class_matching import match_classes
from longtail.export.fix_code import fix_code
from longtail.export.fix_model import export_fix_onnx
from longtail.export.fixed_model import FixedModel, export_fixed_onnx
from longtail.export.onnx_file import export_onnx

__all__ = ["FixedModel", "export_fix_onnx", "export_fixed_onnx", "export_onnx", "fix_code", "match_classes"]
