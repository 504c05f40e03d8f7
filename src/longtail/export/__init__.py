"""Trained networks and fixes for other programs. ONNX needs `longtail[export]`."""

from longtail.export.fix_code import fix_code
from longtail.export.onnx_file import export_onnx

__all__ = ["export_onnx", "fix_code"]
