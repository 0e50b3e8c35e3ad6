"""Runs of 16 float32 as single vector values inside numba kernels.

LLVM's own vectoriser unrolls loops this short into scalar code, so these write the vector
instructions themselves. numba's cache on disk does not notice a change here: delete
render/__pycache__ after one.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # numbers in a run
FLOAT_BYTES = 4
_RUN = ir.VectorType(ir.FloatType(), LANES)


def _pointer(context, builder, array_type, array, at):
    """Address of array[at : at + 16] as a vector; `array` is one-dimensional and contiguous."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), _RUN.as_pointer())


def _load(builder, pointer):
    """The run at an address that need not be aligned to more than a float32."""
    out = builder.load(pointer)
    out.align = FLOAT_BYTES
    return out


def _add(builder, pointer, product):
    """Add a run to the one at an address."""
    total = builder.fadd(_load(builder, pointer), product, flags=("fast",))
    builder.store(total, pointer).align = FLOAT_BYTES


@intrinsic
def add_scaled(typingctx, a, to, b, of, factor):
    """a[to : to + 16] += factor * b[of : of + 16] of float32 arrays (n,).

    `to` and `of` are uint64, `factor` is a float32.
    """

    def codegen(context, builder, signature, args):
        run = _load(builder, _pointer(context, builder, signature.args[2], *args[2:4]))
        scalar = builder.insert_element(
            ir.Constant(_RUN, ir.Undefined), args[4], ir.Constant(ir.IntType(32), 0)
        )
        every_lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        factors = builder.shuffle_vector(scalar, scalar, every_lane)
        target = _pointer(context, builder, signature.args[0], *args[:2])
        _add(builder, target, builder.fmul(run, factors, flags=("fast",)))
        return context.get_dummy_value()

    return types.void(a, types.uint64, b, types.uint64, types.float32), codegen


@intrinsic
def add_product(typingctx, a, to, b, x, y):
    """a[to : to + 16] += b[x : x + 16] * b[y : y + 16] of float32 arrays (n,)."""

    def codegen(context, builder, signature, args):
        x = _load(builder, _pointer(context, builder, signature.args[2], args[2], args[3]))
        y = _load(builder, _pointer(context, builder, signature.args[2], args[2], args[4]))
        target = _pointer(context, builder, signature.args[0], *args[:2])
        _add(builder, target, builder.fmul(x, y, flags=("fast",)))
        return context.get_dummy_value()

    return types.void(a, types.uint64, b, types.uint64, types.uint64), codegen


@intrinsic
def run_sum(typingctx, a, at):
    """The sum of a[at : at + 16] of a float32 array (n,)."""

    def codegen(context, builder, signature, args):
        run = _load(builder, _pointer(context, builder, signature.args[0], args[0], args[1]))
        reduce = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.FloatType(), [ir.FloatType(), _RUN]),
            f"llvm.vector.reduce.fadd.v{LANES}f32",
        )
        return builder.call(reduce, [ir.Constant(ir.FloatType(), 0.0), run], fastmath=("fast",))

    return types.float32(a, types.uint64), codegen


@intrinsic
def lowest_bit(typingctx, mask):
    """The position of the lowest set bit of a uint32 that is not zero."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint32(types.uint32), codegen


@intrinsic
def as_float(typingctx, value):
    """The float32 with these 32 bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def as_bits(typingctx, value):
    """The 32 bits of a float32 as a uint32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), codegen
