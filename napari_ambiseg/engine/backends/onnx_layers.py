"""The layers of our networks as ONNX nodes, in the form that ONNX Runtime computes fastest on a CPU.

What is written is equal to the network in exact arithmetic, and within rounding of it in float32:

- *GroupNorm.* There is no operator for it that is quick on a CPU. With one channel a group it is an
  InstanceNormalization. Otherwise the groups are normalised as instances, and scale and shift of the channels follow
  as a BatchNormalization with mean 0 and variance 1: one pass over the map, where Mul and Add are two.
- *A constant in front of it.* What is added to all pixels of a channel (the time embedding) moves the channel's mean,
  and with one channel a group the normalisation subtracts the mean: nothing is left of it, so it is left out.
- *Nearest upsampling and a 3x3 convolution.* An output pixel sees only 2x2 pixels of the small map, some of them
  through several taps. Adding up these taps gives a 2x2 kernel for each of the four positions (even or odd row and
  column), which is 4/9 of the arithmetic. The four results are then woven into each other.
- *Self-attention* with one head over normalised pixels ``n = g z + b`` (z without, n with scale and shift). Terms of
  a logit that are the same for all keys k cancel in the softmax, and its weights s add up to 1:

      (W_q n_q + b_q)' (W_k n_k + b_k) / sqrt(C)  ~  u_q' z_k,    u = A z + c,
      A = diag(g) W_k' W_q diag(g) / sqrt(C),     c = diag(g) W_k' (W_q b + b_q) / sqrt(C),
      W_p sum_k s_k (W_v n_k + b_v) + b_p  =  (W_p W_v diag(g)) sum_k s_k z_k + W_p (W_v b + b_v) + b_p.

  Two products of matrices with all pixels are left of four, and no transposition of a map. Many queries are taken in
  turns, so that their logits stay in the cache. Windows are samples of a batch.
"""

import math

import torch
from torch import Tensor, nn

from napari_ambiseg.engine.backends.onnx_graph import Graph, Map
from napari_ambiseg.models.blocks import ResidualBlock, SelfAttention, TimeEmbedding, Upsample, window_side

_QUERIES = 512  # logits of so many pixels at a time; at 64 x 64 pixels 6 % quicker than all at once


def conv(graph: Graph, x: Map, module: nn.Conv2d, *, exact: bool = False) -> Map:
    """A convolution; 1x1 ones and those marked ``exact`` stay in float32 where others are quantised."""
    (top, left), (down, right) = _pair(module.padding), _pair(module.stride)
    pads = (top, left, top, left)
    return _conv(graph, x, module.weight, module.bias, pads=pads, strides=(down, right), exact=exact)


def _conv(
    graph: Graph,
    x: Map,
    weight: Tensor,
    bias: Tensor | None,
    *,
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    strides: tuple[int, int] = (1, 1),
    exact: bool = False,
) -> Map:
    """``weight`` is (out, in, rows, columns), ``pads`` are top, left, bottom, right."""
    channels, _, rows, columns = weight.shape
    inputs = [x.name, graph.weights(weight), *([] if bias is None else [graph.weights(bias)])]
    exact = exact or rows == columns == 1
    name = graph.value("Conv", *inputs, exact=exact, kernel_shape=[rows, columns], pads=pads, strides=strides)
    (height, width), (top, left, bottom, right), (down, across) = x.size, pads, strides
    size = ((height + top + bottom - rows) // down + 1, (width + left + right - columns) // across + 1)
    return Map(name, channels, size)


def _pair(value: str | tuple[int, ...]) -> tuple[int, int]:
    assert not isinstance(value, str)  # no network of ours names its padding
    return value[0], value[1]


def silu(graph: Graph, name: str) -> str:
    """``x sigmoid(x)``, which the runtime fuses into one operator."""
    return graph.value("Mul", name, graph.value("Sigmoid", name))


def activated(graph: Graph, x: Map) -> Map:
    """SiLU of a map."""
    return Map(silu(graph, x.name), x.channels, x.size)


def _normalised(graph: Graph, x: Map, norm: nn.GroupNorm) -> Map:
    """The GroupNorm without its scale and shift."""
    groups = norm.num_groups
    one, zero = graph.weights(torch.ones(groups)), graph.weights(torch.zeros(groups))
    flat = graph.reshaped(x.name, 0, groups, -1)
    flat = graph.value("InstanceNormalization", flat, one, zero, epsilon=norm.eps)
    return Map(graph.reshaped(flat, 0, x.channels, *x.size), x.channels, x.size)


def group_norm(graph: Graph, x: Map, norm: nn.GroupNorm) -> Map:
    """See the module's docstring."""
    scale, shift = graph.weights(norm.weight), graph.weights(norm.bias)
    if norm.num_groups == x.channels:
        name = graph.value("InstanceNormalization", x.name, scale, shift, epsilon=norm.eps)
    else:
        mean, variance = graph.weights(torch.zeros(x.channels)), graph.weights(torch.ones(x.channels))
        inputs = (_normalised(graph, x, norm).name, scale, shift, mean, variance)
        name = graph.value("BatchNormalization", *inputs, epsilon=0.0)
    return Map(name, x.channels, x.size)


def plus(graph: Graph, a: Map, b: Map) -> Map:
    """The sum of two maps of one shape."""
    return Map(graph.value("Add", a.name, b.name), a.channels, a.size)


def side_by_side(graph: Graph, a: Map, b: Map) -> Map:
    """The channels of both maps."""
    return Map(graph.value("Concat", a.name, b.name, axis=1), a.channels + b.channels, a.size)


def time_embedding(graph: Graph, module: TimeEmbedding) -> str:
    """SiLU of the embedding of the input ``t``, (S, 4 width): blocks use it in no other form."""
    half = module.width // 2
    frequencies = torch.exp(-math.log(module.max_period) * torch.arange(half, dtype=torch.float32) / half)
    angles = graph.value("Mul", graph.reshaped("t", -1, 1), graph.weights(frequencies[None]))
    embedding = graph.value("Concat", graph.value("Cos", angles), graph.value("Sin", angles), axis=1)
    for layer in module:
        if isinstance(layer, nn.Linear):
            embedding = silu(graph, _linear(graph, embedding, layer))
    return embedding


def _linear(graph: Graph, name: str, module: nn.Linear) -> str:
    return graph.value("Gemm", name, graph.weights(module.weight), graph.weights(module.bias), transB=1)


def plus_time(graph: Graph, x: Map, module: nn.Linear, embedding: str) -> Map:
    """The map, and for each channel what the embedding says."""
    added = graph.reshaped(_linear(graph, embedding, module), 0, x.channels, 1, 1)
    return Map(graph.value("Add", x.name, added), x.channels, x.size)


def residual_block(graph: Graph, x: Map, block: ResidualBlock, embedding: str | None) -> Map:
    """See ``models.blocks.ResidualBlock``."""
    h = conv(graph, activated(graph, group_norm(graph, x, block.norm1)), block.conv1)
    if block.time is not None and embedding is not None and block.norm2.num_groups != h.channels:
        h = plus_time(graph, h, block.time, embedding)
    h = conv(graph, activated(graph, group_norm(graph, h, block.norm2)), block.conv2)
    return plus(graph, conv(graph, x, block.shortcut) if isinstance(block.shortcut, nn.Conv2d) else x, h)


def upsample(graph: Graph, x: Map, module: Upsample) -> Map:
    """See the module's docstring; taps of the 3x3 kernel are added up by rows and by columns."""
    even, odd = torch.tensor([[1.0, 0, 0], [0, 1, 1]]), torch.tensor([[1.0, 1, 0], [0, 0, 1]])
    weight, (height, width) = module.conv.weight.detach().cpu().float(), x.size
    woven: list[str] = []
    for row, by_row in enumerate((even, odd)):
        for column, by_column in enumerate((even, odd)):
            kernel = torch.einsum("pi,qj,ocij->ocpq", by_row, by_column, weight)
            part = _conv(graph, x, kernel, module.conv.bias, pads=(1 - row, 1 - column, row, column))
            woven.append(graph.reshaped(part.name, 0, part.channels * height, 1, width))
    channels = module.conv.out_channels
    rows = graph.reshaped(graph.value("Concat", *woven, axis=2), 0, channels * height * 2, 2, width)
    pixels = graph.value("Transpose", rows, perm=[0, 1, 3, 2])
    return Map(graph.reshaped(pixels, 0, channels, 2 * height, 2 * width), channels, (2 * height, 2 * width))


def attention(graph: Graph, x: Map, module: SelfAttention) -> Map:
    """See the module's docstring."""
    ask, ask_bias, answer, answer_bias = _merged(module)
    z = _normalised(graph, x, module.norm)
    u = _conv(graph, z, ask, ask_bias)
    window = (window_side(x.size[0], module.window), window_side(x.size[1], module.window))
    keys, queries = _windows(graph, z, window), _windows(graph, u, window)
    mixed = [_mixed(graph, query, keys) for query in _in_turns(graph, queries, math.prod(window))]
    joined = graph.value("Concat", *mixed, axis=2) if len(mixed) > 1 else mixed[0]
    return plus(graph, x, _conv(graph, _from_windows(graph, joined, x, window), answer, answer_bias))


def _windows(graph: Graph, x: Map, window: tuple[int, int]) -> str:
    """The pixels of each window of a map, (S windows, C, pixels)."""
    (height, width), (h, w) = x.size, window
    name = x.name
    if window != x.size:
        split = graph.reshaped(name, 0, x.channels, height // h, h, width // w, w)
        name = graph.value("Transpose", split, perm=[0, 2, 4, 1, 3, 5])
    return graph.reshaped(name, -1, x.channels, h * w)


def _from_windows(graph: Graph, name: str, like: Map, window: tuple[int, int]) -> Map:
    """The opposite of ``_windows``: a map of the size of ``like``."""
    (height, width), (h, w) = like.size, window
    if window != like.size:
        split = graph.reshaped(name, -1, height // h, width // w, like.channels, h, w)
        name = graph.value("Transpose", split, perm=[0, 3, 1, 4, 2, 5])
    return Map(graph.reshaped(name, -1, like.channels, height, width), like.channels, like.size)


def _in_turns(graph: Graph, queries: str, pixels: int) -> list[str]:
    """The queries (S, C, pixels) in parts."""
    if pixels <= 2 * _QUERIES:
        return [queries]
    parts = [min(_QUERIES, pixels - start) for start in range(0, pixels, _QUERIES)]
    return graph.node("Split", queries, graph.integers(*parts), outputs=len(parts), axis=2)


def _mixed(graph: Graph, queries: str, keys: str) -> str:
    """For each query (S, C, Q) the average of the keys (S, C, K) by softmax of their products: (S, C, Q)."""
    logits = graph.value("MatMul", graph.value("Transpose", queries, perm=[0, 2, 1]), keys)
    weights = graph.value("Softmax", logits, axis=-1)
    return graph.value("MatMul", keys, graph.value("Transpose", weights, perm=[0, 2, 1]))


def _merged(module: SelfAttention) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A, c, and weight and bias of the answer, as 1x1 convolutions; multiplied in float64."""

    def matrix(conv_module: nn.Conv2d) -> tuple[Tensor, Tensor]:
        assert conv_module.bias is not None
        return conv_module.weight.detach().cpu().double()[:, :, 0, 0], conv_module.bias.detach().cpu().double()

    (qkv, biases), (w_p, b_p) = matrix(module.qkv), matrix(module.project)
    w_q, w_k, w_v = qkv.chunk(3)
    b_q, _, b_v = biases.chunk(3)
    g, b = module.norm.weight.detach().cpu().double(), module.norm.bias.detach().cpu().double()
    to_keys = g[:, None] * w_k.T / math.sqrt(len(g))
    ask, answer = to_keys @ w_q * g, w_p @ w_v * g
    return ask[:, :, None, None], to_keys @ (w_q @ b + b_q), answer[:, :, None, None], w_p @ (w_v @ b + b_v) + b_p
