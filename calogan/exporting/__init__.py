"""From a run directory or an exported JSON to the file that another program reads.

From outside: `native.export_run` for the C++ runner and `calogan generate`, `profiles` for all
programs. A `Consumer` says what a program feeds and reads; `lwtnn_graph` and `onnx_graph` put that
around the network.
"""
