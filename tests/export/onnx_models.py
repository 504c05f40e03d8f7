"""ONNX classifiers such as other tools write, small and made here."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

KINDS = {np.float16: TensorProto.FLOAT16, np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}
FEATURES = 5


def classifier(
    path, num_classes, *, probabilities=False, label=None, dtype=np.float32, batch="N", opset=17, **metadata
):
    """Write x (N, 5) → `logits` or `scores` (probabilities), and with `label` the model's own decision."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(FEATURES, num_classes)).astype(dtype)
    constants = [numpy_helper.from_array(weight, "weight")]
    nodes = [helper.make_node("MatMul", ["x", "weight"], ["z" if probabilities else "logits"])]
    output = "scores" if probabilities else "logits"
    if probabilities:
        nodes.append(helper.make_node("Softmax", ["z"], [output], axis=1))
    outputs = [helper.make_tensor_value_info(output, KINDS[dtype], [batch, num_classes])]
    if label is not None:
        labels = np.array([name.encode() if isinstance(name, str) else name for name in label])
        constants.append(
            numpy_helper.from_array(labels.astype(object) if labels.dtype.kind == "S" else labels, "labels")
        )
        nodes.append(helper.make_node("ArgMax", [output], ["place"], axis=1, keepdims=0))
        nodes.append(helper.make_node("Gather", ["labels", "place"], ["label"]))
        kind = TensorProto.STRING if labels.dtype.kind == "S" else TensorProto.INT64
        outputs.append(helper.make_tensor_value_info("label", kind, [batch]))
    inputs = [helper.make_tensor_value_info("x", KINDS[dtype], [batch, FEATURES])]
    graph = helper.make_graph(nodes, "classifier", inputs, outputs, constants)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    for key, value in metadata.items():
        model.metadata_props.add(key=key.replace("__", "."), value=value)
    save(model, path)
    return path
