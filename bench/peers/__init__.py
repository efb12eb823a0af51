"""The peers, in the order of tables and charts; each is ``bench/peers/NAME_peer.py`` with ``open_peer(threads)``."""

PEERS = ("fastnn", "numpy", "sklearn", "onnxruntime", "openvino", "torch", "jax")
