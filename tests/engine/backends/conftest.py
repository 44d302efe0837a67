"""ONNX Runtime is an extra: tests of what needs it are left out where it is absent."""

import importlib.util

collect_ignore_glob = [] if all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))) else ["test_*onnx*.py"]
