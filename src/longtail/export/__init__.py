"""Export of trained networks and of fixes to other programs. ONNX needs `longtail[export]`."""

from longtail.export.class_matching import match_classes
from longtail.export.fix_code import fix_code
from longtail.export.fix_model import export_fix_onnx
from longtail.export.fixed_model import FixedModel, export_fixed_onnx
from longtail.export.model_folder import export_safetensors, load_model
from longtail.export.onnx_file import export_onnx
from longtail.export.onnx_input import ExampleInput, FeatureInput, ImageInput
from longtail.export.run_model import RunModel

__all__ = [
    "ExampleInput",
    "FeatureInput",
    "FixedModel",
    "ImageInput",
    "RunModel",
    "export_fix_onnx",
    "export_fixed_onnx",
    "export_onnx",
    "export_safetensors",
    "fix_code",
    "load_model",
    "match_classes",
]
