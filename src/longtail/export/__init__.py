"""Trained networks for other programs. Needs `longtail[export]`."""

from longtail.export.onnx_file import export_onnx

__all__ = ["export_onnx"]
