# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One attention node of onnxruntime's own operators (domain com.microsoft), fp32 on the CPU."""

import numpy
import onnxruntime
import torch
from onnx import TensorProto, helper


def model(heads, dim, causal):
    kind = ("batch", "length", heads * dim)
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, kind) for name in "qkv"]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, kind)]
    if not causal:
        node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["out"], domain="com.microsoft", num_heads=heads)
    else:
        inputs += [helper.make_tensor_value_info("last", TensorProto.INT32, ["batch"]),
                   helper.make_tensor_value_info("total", TensorProto.INT32, [])]
        outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", heads, "length", dim))
                    for name in ("keys", "values")]
        node = helper.make_node("GroupQueryAttention", ["q", "k", "v", "", "", "last", "total"],
                                ["out", "keys", "values"],
                                domain="com.microsoft", num_heads=heads, kv_num_heads=heads)
    graph = helper.make_graph([node], "attention", inputs, outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def session(heads, dim, causal, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # idle threads must not use basin's cores
    return onnxruntime.InferenceSession(model(heads, dim, causal).SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def run(session, q, k, v, causal):
    """q, k, v [batch, heads, length, dim], each a view of [batch, length, heads x dim]."""
    batch, heads, length, dim = q.shape
    feed = {name: x.transpose(1, 2).view(batch, length, heads * dim).numpy() for name, x in zip("qkv", (q, k, v))}
    if causal:
        feed |= {"last": numpy.full(batch, length - 1, numpy.int32), "total": numpy.array(length, numpy.int32)}
    out = session.run(["out"], feed)[0]
    return torch.from_numpy(out).view(batch, length, heads, dim).transpose(1, 2)
