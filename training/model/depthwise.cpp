// Depthwise convolution for training, channels-last, bfloat16 activations and float32 weights.
//
// A block of 16 channels of one image fits the cache as float32 with its border, and the taps of
// a kernel fit the vector registers, so that each pass costs one multiply-add a tap and nothing
// else. Compiled on first use for the machine it runs on; see depthwise.py.

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int L = 16;  // channels of a block: one 512-bit vector of float32
typedef float Vec __attribute__((vector_size(64)));

struct Shape {
  int64_t images, rows, columns, channels, stride, before, clamped;
  int64_t out_rows() const { return rows / stride; }
  int64_t out_columns() const { return columns / stride; }
};

inline Vec widen(const uint16_t* p, int count) {
  uint32_t bits[L] = {};
  for (int i = 0; i < count; ++i) bits[i] = uint32_t(p[i]) << 16;
  Vec v;
  std::memcpy(&v, bits, sizeof v);
  return v;
}

inline void narrow(Vec v, uint16_t* p, int count) {
  uint32_t bits[L];
  std::memcpy(bits, &v, sizeof bits);
  for (int i = 0; i < count; ++i) p[i] = (bits[i] + 0x7fff + ((bits[i] >> 16) & 1)) >> 16;
}

inline Vec relu6(Vec v) {
  v = v > 0 ? v : Vec{};
  return v < 6 ? v : Vec{} + 6;
}

// What passes back through relu6, given its input or its output.
inline Vec relu6_gradient(Vec grad, Vec v) { return v > 0 ? (v < 6 ? grad : Vec{}) : Vec{}; }

// An image's block with `margin` zero pixels around it, `extra` of them after the image only.
struct Padded {
  int64_t width;
  std::vector<Vec> data;
  Padded(int64_t rows, int64_t columns, int64_t border)
      : width(columns + border), data((rows + border) * (columns + border)) {}
  void fill(const uint16_t* image, int64_t rows, int64_t columns, int64_t channels, int64_t before,
            int count, bool clamped) {
    for (int64_t y = 0; y < rows; ++y) {
      Vec* to = &data[(y + before) * width + before];
      const uint16_t* from = image + y * columns * channels;
      for (int64_t x = 0; x < columns; ++x) {
        __builtin_prefetch(from + (x + 24) * channels);
        const Vec v = count == L ? widen(from + x * channels, L) : widen(from + x * channels, count);
        to[x] = clamped ? relu6(v) : v;
      }
    }
  }
};

// `finish(sum, position)` is what happens to a value before it is stored.
template <int K, class Finish>
void correlate(const Padded& in, const Vec* w, Vec bias, uint16_t* out, int64_t rows,
               int64_t columns, int64_t channels, int64_t stride, int count, Finish finish) {
  Vec taps[K * K];
  for (int t = 0; t < K * K; ++t) taps[t] = w[t];
  for (int64_t y = 0; y < rows; ++y)
    for (int64_t x = 0; x < columns; ++x) {
      const Vec* at = &in.data[y * stride * in.width + x * stride];
      Vec sum = bias;
#pragma GCC unroll 5
      for (int dy = 0; dy < K; ++dy)
#pragma GCC unroll 5
        for (int dx = 0; dx < K; ++dx) sum += at[dy * in.width + dx] * taps[dy * K + dx];
      sum = finish(sum, y, x);
      uint16_t* to = out + (y * columns + x) * channels;
      if (count == L)
        narrow(sum, to, L);
      else
        narrow(sum, to, count);
    }
}

void load_taps(const float* weight, int64_t channel, int64_t taps, int count, bool flipped, Vec* w) {
  for (int64_t t = 0; t < taps; ++t) {
    float v[L] = {};
    for (int i = 0; i < count; ++i)
      v[i] = weight[(channel + i) * taps + (flipped ? taps - 1 - t : t)];
    std::memcpy(&w[t], v, sizeof v);
  }
}

template <int K>
void forward(const Shape& s, const uint16_t* x, const float* weight, const float* bias,
             uint16_t* y) {
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < s.channels; c += L) {
    const int count = int(s.channels - c < L ? s.channels - c : L);
    Vec w[K * K], b;
    load_taps(weight, c, K * K, count, false, w);
    float start[L] = {};
    if (bias) std::memcpy(start, bias + c, count * sizeof(float));
    std::memcpy(&b, start, sizeof b);
    Padded in(s.rows, s.columns, K - 1);
    for (int64_t n = 0; n < s.images; ++n) {
      in.fill(x + n * s.rows * s.columns * s.channels + c, s.rows, s.columns, s.channels, s.before,
              count, s.clamped);
      correlate<K>(in, w, b, y + n * s.out_rows() * s.out_columns() * s.channels + c, s.out_rows(),
                   s.out_columns(), s.channels, s.stride, count,
                   [&](Vec v, int64_t, int64_t) { return s.clamped ? relu6(v) : v; });
    }
  }
}

template <int K>
void backward(const Shape& s, const uint16_t* x, const float* weight, const uint16_t* y,
              const uint16_t* gy, uint16_t* gx, float* gweight, float* gbias) {
  const int64_t rows = s.out_rows(), columns = s.out_columns();
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < s.channels; c += L) {
    const int count = int(s.channels - c < L ? s.channels - c : L);
    Vec flipped[K * K], sums[K * K] = {}, bias = {};
    load_taps(weight, c, K * K, count, true, flipped);
    Padded in(s.rows, s.columns, K - 1);
    // The gradient is spread to the input's grid, zeros between where the stride is 2.
    const int64_t after = K - 1 - s.before;
    Padded spread(s.rows, s.columns, K - 1);
    for (int64_t n = 0; n < s.images; ++n) {
      in.fill(x + n * s.rows * s.columns * s.channels + c, s.rows, s.columns, s.channels, s.before,
              count, s.clamped);
      const int64_t block = n * rows * columns * s.channels + c;
      for (int64_t r = 0; r < rows; ++r) {
        Vec taps[K * K];
        for (int t = 0; t < K * K; ++t) taps[t] = sums[t];
        for (int64_t u = 0; u < columns; ++u) {
          const int64_t from = block + (r * columns + u) * s.channels;
          __builtin_prefetch(gy + from + 24 * s.channels);
          if (s.clamped) __builtin_prefetch(y + from + 24 * s.channels);
          Vec grad = count == L ? widen(gy + from, L) : widen(gy + from, count);
          if (s.clamped)
            grad = relu6_gradient(grad, count == L ? widen(y + from, L) : widen(y + from, count));
          bias += grad;
          spread.data[(r * s.stride + after) * spread.width + u * s.stride + after] = grad;
          const Vec* at = &in.data[r * s.stride * in.width + u * s.stride];
#pragma GCC unroll 5
          for (int dy = 0; dy < K; ++dy)
#pragma GCC unroll 5
            for (int dx = 0; dx < K; ++dx) taps[dy * K + dx] += grad * at[dy * in.width + dx];
        }
        for (int t = 0; t < K * K; ++t) sums[t] = taps[t];
      }
      if (gx)
        correlate<K>(spread, flipped, Vec{}, gx + n * s.rows * s.columns * s.channels + c, s.rows,
                     s.columns, s.channels, 1, count, [&](Vec v, int64_t r, int64_t u) {
                       const Vec& into = in.data[(r + s.before) * in.width + u + s.before];
                       return s.clamped ? relu6_gradient(v, into) : v;
                     });
    }
    for (int i = 0; i < count; ++i) {
      for (int t = 0; t < K * K; ++t) gweight[(c + i) * K * K + t] = sums[t][i];
      if (gbias) gbias[c + i] = bias[i];
    }
  }
}

}  // namespace

extern "C" {

// shape: images, rows, columns, channels, stride, pixels of padding before the image, and whether
// relu6 is applied to the input and to the output.
void depthwise_forward(const int64_t* shape, int kernel, const uint16_t* x, const float* weight,
                       const float* bias, uint16_t* y) {
  Shape s;
  std::memcpy(&s, shape, sizeof s);
  (kernel == 3 ? forward<3> : forward<5>)(s, x, weight, bias, y);
}

void depthwise_backward(const int64_t* shape, int kernel, const uint16_t* x, const float* weight,
                        const uint16_t* y, const uint16_t* gy, uint16_t* gx, float* gweight, float* gbias) {
  Shape s;
  std::memcpy(&s, shape, sizeof s);
  (kernel == 3 ? backward<3> : backward<5>)(s, x, weight, y, gy, gx, gweight, gbias);
}
}
