"""The C functions that a program is put together from; only those that it calls are in it.

Pictures lie row by row, pixel by pixel, channel by channel, so that the innermost loops go over what lies
side by side. A function may write to where it reads wherever each number depends on its own place alone.
WEIGHT stands for the type of kernels, SCALED for what brings a sum with them back to its size.
"""

from __future__ import annotations

_UNARY = """static void {name}(const float *in, float *out, int count)
{{
    int i;
    for (i = 0; i < count; i++)
        out[i] = {value};
}}
"""
_BINARY = """static void {name}(const float *a, const float *b, float *out, int count)
{{
    int i;
    for (i = 0; i < count; i++)
        out[i] = a[i] {sign} b[i];
}}
"""
_POOL = """static void {name}(const float *in, float *out, int width, int channels, int rows, int columns,
    int size, int stride)
{{
    int y, x, c, dy, dx;
    for (y = 0; y < rows; y++)
        for (x = 0; x < columns; x++, out += channels) {{
            const float *corner = in + (y * width + x) * stride * channels;
            for (c = 0; c < channels; c++) {{
                float value = {start};
                for (dy = 0; dy < size; dy++)
                    for (dx = 0; dx < size; dx++) {{
                        const float one = corner[(dy * width + dx) * channels + c];
                        {step}
                    }}
                out[c] = {end};
            }}
        }}
}}
"""

FUNCTIONS = {
    "levels": """static void levels(const uint8_t *in, float *out, int count)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = (float)in[i];
}
""",
    "affine": """static void affine(const float *in, float *out, int count, int channels, const float *factor,
    const float *shift)
{
    int i, c;
    for (i = 0; i < count; i += channels)
        for (c = 0; c < channels; c++)
            out[i + c] = in[i + c] * factor[c] + shift[c];
}
""",
    "conv": """static void conv(const float *in, float *out, const WEIGHT *weight, const float *scale,
    const float *bias, int height, int width, int channels, int rows, int columns, int filters,
    int kernel_height, int kernel_width, int stride, int top, int left, int groups)
{
    const int takes = channels / groups, gives = filters / groups;
    int y, x, g, ky, kx, i, o;
    for (y = 0; y < rows; y++)
        for (x = 0; x < columns; x++, out += filters) {
            for (o = 0; o < filters; o++)
                out[o] = 0.0f;
            for (g = 0; g < groups; g++)
                for (ky = 0; ky < kernel_height; ky++) {
                    const int row = y * stride + ky - top;
                    if (row < 0 || row >= height)
                        continue;
                    for (kx = 0; kx < kernel_width; kx++) {
                        const int column = x * stride + kx - left;
                        const float *pixel = in + (row * width + column) * channels + g * takes;
                        const int place = (g * kernel_height + ky) * kernel_width + kx;
                        const WEIGHT *w = weight + place * takes * gives;
                        float *sum = out + g * gives;
                        if (column < 0 || column >= width)
                            continue;
                        for (i = 0; i < takes; i++, w += gives)
                            for (o = 0; o < gives; o++)
                                sum[o] += pixel[i] * (float)w[o];
                    }
                }
            for (o = 0; o < filters; o++)
                out[o] = out[o]SCALED + bias[o];
        }
}
""",
    "depthwise": """static void depthwise(const float *in, float *out, const WEIGHT *weight,
    const float *scale, const float *bias, int height, int width, int channels, int rows, int columns,
    int kernel_height, int kernel_width, int stride, int top, int left)
{
    int y, x, ky, kx, c;
    for (y = 0; y < rows; y++)
        for (x = 0; x < columns; x++, out += channels) {
            for (c = 0; c < channels; c++)
                out[c] = 0.0f;
            for (ky = 0; ky < kernel_height; ky++) {
                const int row = y * stride + ky - top;
                if (row < 0 || row >= height)
                    continue;
                for (kx = 0; kx < kernel_width; kx++) {
                    const int column = x * stride + kx - left;
                    const float *pixel = in + (row * width + column) * channels;
                    const WEIGHT *w = weight + (ky * kernel_width + kx) * channels;
                    if (column < 0 || column >= width)
                        continue;
                    for (c = 0; c < channels; c++)
                        out[c] += pixel[c] * (float)w[c];
                }
            }
            for (c = 0; c < channels; c++)
                out[c] = out[c]SCALED + bias[c];
        }
}
""",
    "dense": """static void dense(const float *in, float *out, const WEIGHT *weight, const float *scale,
    const float *bias, int takes, int gives)
{
    int i, o;
    for (o = 0; o < gives; o++)
        out[o] = 0.0f;
    for (i = 0; i < takes; i++, weight += gives)
        for (o = 0; o < gives; o++)
            out[o] += in[i] * (float)weight[o];
    for (o = 0; o < gives; o++)
        out[o] = out[o]SCALED + bias[o];
}
""",
    "gate": """static void gate(const float *in, const float *shares, float *out, int count, int channels)
{
    int i, c;
    for (i = 0; i < count; i += channels)
        for (c = 0; c < channels; c++)
            out[i + c] = in[i + c] * shares[c];
}
""",
    "clip": """static void clip(const float *in, float *out, int count, float low, float high)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = in[i] < low ? low : in[i] > high ? high : in[i];
}
""",
    "softmax": """static void softmax(const float *in, float *out, int count)
{
    float largest = in[0], sum = 0.0f;
    int i;
    for (i = 1; i < count; i++)
        largest = in[i] > largest ? in[i] : largest;
    for (i = 0; i < count; i++)
        sum += out[i] = expf(in[i] - largest);
    for (i = 0; i < count; i++)
        out[i] /= sum;
}
""",
    "log_softmax": """static void log_softmax(const float *in, float *out, int count)
{
    float largest = in[0], sum = 0.0f;
    int i;
    for (i = 1; i < count; i++)
        largest = in[i] > largest ? in[i] : largest;
    for (i = 0; i < count; i++)
        sum += expf(in[i] - largest);
    sum = logf(sum);
    for (i = 0; i < count; i++)
        out[i] = in[i] - largest - sum;
}
""",
    "copy": """static void copy(const float *in, float *out, int count)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = in[i];
}
""",
    "global_max": """static void global_max(const float *in, float *out, int count, int channels)
{
    int i, c;
    for (c = 0; c < channels; c++)
        out[c] = in[c];
    for (i = channels; i < count; i += channels)
        for (c = 0; c < channels; c++)
            out[c] = in[i + c] > out[c] ? in[i + c] : out[c];
}
""",
    "global_average": """static void global_average(const float *in, float *out, int count, int channels)
{
    int i, c;
    for (c = 0; c < channels; c++)
        out[c] = 0.0f;
    for (i = 0; i < count; i += channels)
        for (c = 0; c < channels; c++)
            out[c] += in[i + c];
    for (c = 0; c < channels; c++)
        out[c] = out[c] * (float)channels / (float)count;
}
""",
    "max_pool": _POOL.format(
        name="max_pool", start="corner[c]", step="value = one > value ? one : value;", end="value"
    ),
    "average_pool": _POOL.format(
        name="average_pool", start="0.0f", step="value += one;", end="value / (float)(size * size)"
    ),
    "add": _BINARY.format(name="add", sign="+"),
    "subtract": _BINARY.format(name="subtract", sign="-"),
    "multiply": _BINARY.format(name="multiply", sign="*"),
    "divide": _BINARY.format(name="divide", sign="/"),
    "relu": _UNARY.format(name="relu", value="in[i] > 0.0f ? in[i] : 0.0f"),
    "sigmoid": _UNARY.format(name="sigmoid", value="1.0f / (1.0f + expf(-in[i]))"),
    "tangent": _UNARY.format(name="tangent", value="tanhf(in[i])"),
    "error": _UNARY.format(name="error", value="erff(in[i])"),
    "hard_swish": _UNARY.format(
        name="hard_swish", value="in[i] * fminf(1.0f, fmaxf(0.0f, in[i] / 6.0f + 0.5f))"
    ),
}


def text_of(function: str, *, int8: bool) -> str:
    """A function's text for kernels of int8 with a scale a filter, or of floats."""
    text = FUNCTIONS[function].replace("WEIGHT", "int8_t" if int8 else "float")
    if int8:
        return text.replace("out[o]SCALED", "out[o] * scale[o]").replace("out[c]SCALED", "out[c] * scale[c]")
    return text.replace("SCALED", "").replace(" const float *scale,", "")
