"""Products of vectors and matrices, for playing: a few rows at once, each row as if it were alone.

A matrix lies in panels of `PANEL` columns, row after row, so it is read once from end to end. A
tile is so many rows of numbers times one panel; its sums stay in registers, and every sum adds its
products in their order, each rounded once. So a row comes out the same to the bit alone and in any
company, on every processor. Panels may hold bfloat16: half as much to read, widened exactly.

The tile is written for LLVM, which numba compiles with; whoever imports this module needs numba.
Knows nothing of networks.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ...music.compiled import kernel

PANEL = 32
"""Columns of a panel."""

WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
LANES = 16 if WIDE else 8
"""Numbers in a register, or in two where registers are narrower."""
TALL = 8 if WIDE else 4
"""Rows of the tallest tile: as many sums as fit into the registers."""

_FLOAT, _SHORT, _INT, _LONG = ir.FloatType(), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_NO_VECTOR = ir.Constant(_VECTOR, ir.Undefined)


def _tile(rows: int, columns: int, *, is_half: bool) -> Any:
    """A function of addresses and steps between rows, counted in numbers: `out = x w`."""

    def tile(
        _typing: Any, x: Any, x_step: Any, w: Any, w_step: Any, many: Any, out: Any, out_step: Any
    ) -> Any:
        signature = types.void(x, x_step, w, w_step, many, out, out_step)
        return signature, _code(rows, columns, is_half)

    return intrinsic(tile)


def _code(rows: int, columns: int, is_half: bool) -> Any:
    kind = _SHORT if is_half else _FLOAT

    def at(builder: Any, base: Any, offset: Any) -> Any:
        return builder.gep(base, [offset])

    def loaded(builder: Any, address: Any) -> Any:
        vector = ir.VectorType(kind, LANES)
        found = builder.load(
            builder.bitcast(address, vector.as_pointer()), align=2 if is_half else 4
        )
        if is_half:
            whole = ir.VectorType(_INT, LANES)
            sixteen = ir.Constant(whole, [16] * LANES)
            found = builder.bitcast(builder.shl(builder.zext(found, whole), sixteen), _VECTOR)
        return found

    def spread(builder: Any, number: Any) -> Any:
        one = builder.insert_element(_NO_VECTOR, number, ir.Constant(_INT, 0))
        return builder.shuffle_vector(
            one, _NO_VECTOR, ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES)
        )

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        x, x_step, w, w_step, many, out, out_step = values
        x, out = (builder.inttoptr(a, _FLOAT.as_pointer()) for a in (x, out))
        w = builder.inttoptr(w, kind.as_pointer())
        insert: Any = cgutils.get_or_insert_function
        multiply = insert(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f32"
        )
        each = [at(builder, x, builder.mul(x_step, ir.Constant(_LONG, row))) for row in range(rows)]
        before, loop = builder.block, builder.append_basic_block("along")
        after = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        n = builder.phi(_LONG)
        n.add_incoming(ir.Constant(_LONG, 0), before)
        sums = [[builder.phi(_VECTOR) for _ in range(columns)] for _ in range(rows)]
        line = at(builder, w, builder.mul(n, w_step))
        weights = [
            loaded(builder, at(builder, line, ir.Constant(_LONG, column * LANES)))
            for column in range(columns)
        ]
        found = []
        for row in range(rows):
            number = spread(builder, builder.load(at(builder, each[row], n)))
            found.append(
                [
                    builder.call(multiply, [number, weight, total])
                    for weight, total in zip(weights, sums[row], strict=True)
                ]
            )
        following = builder.add(n, ir.Constant(_LONG, 1))
        n.add_incoming(following, loop)
        for row_sums, row_found in zip(sums, found, strict=True):
            for total, made in zip(row_sums, row_found, strict=True):
                total.add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), before)
                total.add_incoming(made, loop)
        builder.cbranch(builder.icmp_signed("<", following, many), loop, after)
        builder.position_at_end(after)
        for row in range(rows):
            line = at(builder, out, builder.mul(out_step, ir.Constant(_LONG, row)))
            for column in range(columns):
                place = at(builder, line, ir.Constant(_LONG, column * LANES))
                place = builder.bitcast(place, _VECTOR.as_pointer())
                builder.store(found[row][column], place, align=4)
        return context.get_dummy_value()

    return generate


_IN_PANEL = PANEL // LANES
tall_tile, low_tile = (_tile(rows, _IN_PANEL, is_half=False) for rows in (TALL, 1))
tall_half_tile, low_half_tile = (_tile(rows, _IN_PANEL, is_half=True) for rows in (TALL, 1))


def _as_float(_typing: Any, _bits: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], _FLOAT)

    return types.float32(types.int32), generate


def _as_bits(_typing: Any, _number: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], _INT)

    return types.int32(types.float32), generate


def _over(_typing: Any, _a: Any, _b: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.fdiv(*values)

    return types.float32(types.float32, types.float32), generate


as_float: Any = intrinsic(_as_float)
"""The number whose bits these are."""
as_bits: Any = intrinsic(_as_bits)
"""The bits of a number."""
over: Any = intrinsic(_over)
"""One number over another, without a look at whether that is 0, so that loops become vectors."""


@kernel
def half_of(number: Any) -> Any:
    """The bits of the nearest bfloat16; see `halved`."""
    bits = np.int64(as_bits(number))
    return np.uint16(((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF)


def packed(matrix: NDArray[np.float32], *, in_half: bool) -> NDArray[Any]:
    """A matrix (outputs, inputs) in panels (panels, inputs, PANEL), filled up with zeros."""
    outputs, inputs = matrix.shape
    panels = -(-outputs // PANEL)
    wide = np.zeros((panels * PANEL, inputs), np.float32)
    wide[:outputs] = matrix
    found = np.ascontiguousarray(wide.reshape(panels, PANEL, inputs).transpose(0, 2, 1))
    return halved(found) if in_half else found


def halved(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bfloat16, of two equally near ones the even one, as bits."""
    bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


@kernel
def filled_up(columns: int) -> int:
    """So many columns, filled up to whole panels."""
    return -(-columns // PANEL) * PANEL


@kernel
def product(
    x: Any, x_step: int, rows: int, w: Any, panels: int, many: int, is_half: bool, out: Any,
    out_step: int,
) -> None:  # fmt: skip
    """Rows of `many` numbers at address `x` times so many panels at address `w`, to `out`."""
    size = 2 if is_half else 4
    for panel in range(panels):
        here, into = w + panel * many * PANEL * size, out + panel * PANEL * 4
        row = 0
        while row < rows:
            tall = row + TALL <= rows
            a, b = x + row * x_step * 4, into + row * out_step * 4
            if is_half:
                if tall:
                    tall_half_tile(a, x_step, here, PANEL, many, b, out_step)
                else:
                    low_half_tile(a, x_step, here, PANEL, many, b, out_step)
            elif tall:
                tall_tile(a, x_step, here, PANEL, many, b, out_step)
            else:
                low_tile(a, x_step, here, PANEL, many, b, out_step)
            row += TALL if tall else 1
