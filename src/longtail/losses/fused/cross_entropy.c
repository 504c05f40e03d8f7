/* Cross-entropy on z_ij * scale_j + shift_j + each_ij, and its gradient, from two passes over the logits.

   Forward keeps the largest value and the logarithm of the sum of exponentials of each row; backward computes the
   probabilities again from them. Where forward is given room for the gradient, it writes that too, row by row, while
   the row is in the cache. Arithmetic is float32 in tiles that stay in the L1 cache. Rows are independent, and sums over
   rows are formed in blocks whose number does not depend on that of the threads.
*/
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE 512
#define ROOM 16384 /* classes whose exponentials are kept in float32 beside a bfloat16 gradient */
#define MANY 65536 /* rows: float32 would lose the last of as many numbers */
#define INDEX_OUT_OF_RANGE 1

typedef struct {
    const void *logits; /* float32 or bfloat16, rows of `stride` values */
    const float *scale, *shift, *own, *weight; /* (C,); shift always, the others or NULL; own is added at the target */
    const float *each;    /* (N, C), or NULL */
    const int64_t *index; /* (N,) targets, or */
    const float *soft;    /* (N, C) probabilities */
    float *loss, *own_loss;          /* (N,); the second without weights and smoothing */
    float *largest, *log_sum, *mass; /* (N,) */
    float *reduced;                  /* one value, or NULL for one a sample */
    float *positive, *negative;      /* (blocks, C) of soft targets, or NULL */
    float *received;                 /* (C,) of index targets, or NULL */
    const float *upstream;           /* one value, or (N,) where nothing is reduced; NULL is 1 */
    void *gradient;                  /* (N, C), as the logits; NULL in forward: not wanted yet */
    int64_t rows, classes, stride, ignored, blocks;
    double divisor; /* of the sum; where it is negative, forward puts the weights of the samples in its place */
    int64_t samples; /* found by forward: neither ignored nor without a finite loss */
    int64_t next;
    float smoothing;
    int32_t is_bfloat16, threads;
} Problem;

/* The threads are those of PyTorch, whose OpenMP library is loaded already; without it there is one. */
extern void GOMP_parallel(void (*)(void *), void *, unsigned, unsigned) __attribute__((weak));

/* e^x for x <= 0 or NaN, with a relative error below 2e-7; 0 where it is below the smallest normal number. */
static inline float exponential(float x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: a number added to it is rounded to an integer, in the last bits */
    float t = x * 1.44269504088896341f + magic;
    float n = t - magic;
    float f = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 8.2902721463e-3f;
    p = p * f + 4.1898160252e-2f;
    p = p * f + 1.6667638131e-1f;
    p = p * f + 4.9999147836e-1f;
    p = p * f + 9.9999970631e-1f;
    p = p * f + 1.0f;
    uint32_t bits;
    memcpy(&bits, &t, 4);
    bits = (bits << 23) + 0x3f800000;
    float power;
    memcpy(&power, &bits, 4);
    return x < -87.33f ? 0.0f : p * power;
}

static inline float widened(uint16_t value) {
    uint32_t bits = (uint32_t)value << 16;
    float wide;
    memcpy(&wide, &bits, 4);
    return wide;
}

static inline uint16_t narrowed(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t nearest = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    return value != value ? 0x7fc0 : nearest;
}

/* Kept out of line: inlined into each other, these loops have been compiled to code four times as slow. */
#define LOOP __attribute__((noinline)) static

#define MAXIMUM_OF(value) \
    _Pragma("omp simd reduction(max : most)") for (int64_t j = 0; j < n; j++) { \
        float x = value; \
        v[j] = x; \
        most = x > most ? x : most; /* NaN is left out here, and comes back by the sum */ \
    }

/* Adjusted logits of a row, from class `from` on, and the largest of them. */
LOOP float adjust(const Problem *p, int64_t row, int64_t from, int64_t n, float *restrict v) {
    const float *shift = p->shift + from, *scale = p->scale ? p->scale + from : 0;
    float most = -INFINITY;
    if (p->is_bfloat16) {
        const uint16_t *z = (const uint16_t *)p->logits + row * p->stride + from;
        if (scale) MAXIMUM_OF(widened(z[j]) * scale[j] + shift[j])
        else MAXIMUM_OF(widened(z[j]) + shift[j])
    } else {
        const float *z = (const float *)p->logits + row * p->stride + from;
        if (scale) MAXIMUM_OF(z[j] * scale[j] + shift[j])
        else MAXIMUM_OF(z[j] + shift[j])
    }
    if (p->each) {
        const float *each = p->each + row * p->classes + from;
        most = -INFINITY;
        MAXIMUM_OF(v[j] + each[j])
    }
    if (!p->own) return most;
    if (p->soft) {
        const float *t = p->soft + row * p->classes + from, *own = p->own + from;
        for (int64_t j = 0; j < n; j++) v[j] = t[j] * own[j] + v[j];
    } else {
        int64_t k = p->index[row] - from;
        if (k < 0 || k >= n) return most;
        v[k] += p->own[from + k];
    }
    most = -INFINITY;
    MAXIMUM_OF(v[j])
    return most;
}

LOOP float sum_of_exponentials(const float *v, int64_t n, float base) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) sum += exponential(v[j] - base);
    return sum;
}

LOOP float keep_exponentials(const float *v, int64_t n, float base, float *kept) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) {
        float e = exponential(v[j] - base);
        kept[j] = e;
        sum += e;
    }
    return sum;
}

#define EACH_TILE(p) \
    for (int64_t from = 0, n; n = (p)->classes - from < TILE ? (p)->classes - from : TILE, from < (p)->classes; from += TILE)

/* The log-sum-exp of a row in two parts, and the value of class k. `kept`, if given, gets the exponential of each value
   minus the base of its tile, and `bases` these bases. */
static float normalise(const Problem *p, int64_t row, int64_t k, float *kept, float *bases) {
    _Alignas(64) float v[TILE];
    float largest = -INFINITY, sum = 0, value = 0;
    EACH_TILE(p) {
        float most = adjust(p, row, from, n, v);
        if (most > largest) {
            sum *= exponential(largest - most);
            largest = most;
        }
        float base = largest == -INFINITY ? 0 : largest;
        if (kept) bases[from / TILE] = largest;
        sum += kept ? keep_exponentials(v, n, base, kept + from) : sum_of_exponentials(v, n, base);
        if (k >= from && k < from + n) value = v[k - from];
    }
    p->largest[row] = largest;
    p->log_sum[row] = logf(sum);
    return value;
}

/* Sums over the classes of u q (-log p), of u q, and of t (-log p): u are class weights, q the smoothed targets t. */
static void expect(const Problem *p, int64_t row, float *loss, float *mass, float *own_loss) {
    _Alignas(64) float v[TILE];
    float keep = 1 - p->smoothing, spread = p->smoothing / p->classes, largest = p->largest[row];
    float log_sum = p->log_sum[row], all = 0, total = 0, plain = 0;
    EACH_TILE(p) {
        const float *t = p->soft ? p->soft + row * p->classes + from : 0, *u = p->weight ? p->weight + from : 0;
        adjust(p, row, from, n, v);
        if (t) {
            float q[TILE];
            for (int64_t j = 0; j < n; j++) q[j] = (keep * t[j] + spread) * (u ? u[j] : 1);
#pragma omp simd reduction(+ : all, total, plain)
            for (int64_t j = 0; j < n; j++) {
                float cost = log_sum - (v[j] - largest);
                all += q[j] * cost;
                total += q[j];
                plain += t[j] * cost;
            }
        } else {
#pragma omp simd reduction(+ : all, total)
            for (int64_t j = 0; j < n; j++) {
                float q = spread * (u ? u[j] : 1);
                all += q * (log_sum - (v[j] - largest));
                total += q;
            }
        }
    }
    *loss = all;
    *mass = total;
    *own_loss = plain;
}

LOOP void probabilities(const float *v, int64_t n, float largest, float log_sum, float factor, float *out) {
    for (int64_t j = 0; j < n; j++) out[j] = factor * exponential((v[j] - largest) - log_sum);
}

LOOP void multiples(const float *v, int64_t n, float factor, float *out) {
    for (int64_t j = 0; j < n; j++) out[j] = factor * v[j];
}

/* Probabilities of a tile times a factor, from the exponentials that `normalise` has kept, or without. */
static void scaled_probabilities(
    const Problem *p, int64_t row, int64_t from, int64_t n, const float *kept, const float *bases, float factor, float *out
) {
    _Alignas(64) float v[TILE];
    float largest = p->largest[row], log_sum = p->log_sum[row];
    if (kept) {
        multiples(kept + from, n, factor * exponential((bases[from / TILE] - largest) - log_sum), out);
    } else {
        adjust(p, row, from, n, v);
        probabilities(v, n, largest, log_sum, factor, out);
    }
}

/* With r = t - p, adds relu(r) to the positive gradient of each class, and t times the sum of relu(-r) to the negative. */
static void receive(const Problem *p, int64_t row, int64_t block, const float *kept, const float *bases) {
    _Alignas(64) float v[TILE];
    float caused = 0;
    const float *t = p->soft + row * p->classes;
    float *positive = p->positive + block * p->classes, *negative = p->negative + block * p->classes;
    EACH_TILE(p) {
        scaled_probabilities(p, row, from, n, kept, bases, 1, v);
#pragma omp simd reduction(+ : caused)
        for (int64_t j = 0; j < n; j++) {
            float r = t[from + j] - v[j], pull = r > 0 ? r : 0;
            positive[from + j] += pull;
            caused += pull - r;
        }
    }
    for (int64_t j = 0; j < p->classes; j++) negative[j] += caused * t[j];
}

static void losses_of_row(const Problem *p, int64_t row, int64_t block, float *kept, float *bases) {
    int64_t k = p->soft ? -1 : p->index[row];
    p->loss[row] = p->own_loss[row] = p->mass[row] = 0;
    if (!p->soft && k == p->ignored) return;
    float value = normalise(p, row, k, kept, bases);
    if (p->soft) {
        expect(p, row, &p->loss[row], &p->mass[row], &p->own_loss[row]);
        if (p->positive && isfinite(p->own_loss[row])) receive(p, row, block, kept, bases);
        return;
    }
    float own_loss = p->log_sum[row] - (value - p->largest[row]), u = p->weight ? p->weight[k] : 1, unused;
    p->own_loss[row] = own_loss;
    if (p->smoothing > 0) expect(p, row, &p->loss[row], &p->mass[row], &unused);
    float share = (1 - p->smoothing) * u;
    p->loss[row] += share * own_loss;
    p->mass[row] += share;
}

/* From the exponentials that `normalise` has kept, which may lie in the place of the gradient, or without. */
static void gradient_of_row(const Problem *p, int64_t row, const float *kept, const float *bases) {
    _Alignas(64) float narrow[TILE];
    float g = p->upstream ? (p->reduced ? *p->upstream : p->upstream[row]) : 1;
    if (p->reduced) g /= (float)p->divisor;
    float keep = 1 - p->smoothing, spread = p->smoothing / p->classes;
    int64_t k = p->soft ? -1 : p->index[row], start = row * p->classes;
    if (!p->soft && k == p->ignored) {
        int64_t size = p->is_bfloat16 ? 2 : 4;
        memset((char *)p->gradient + start * size, 0, p->classes * size);
        return;
    }
    EACH_TILE(p) {
        const float *u = p->weight ? p->weight + from : 0, *t = p->soft ? p->soft + start + from : 0;
        float *out = p->is_bfloat16 ? narrow : (float *)p->gradient + start + from;
        scaled_probabilities(p, row, from, n, kept, bases, g * p->mass[row], out);
        if (t) for (int64_t j = 0; j < n; j++) out[j] -= g * ((keep * t[j] + spread) * (u ? u[j] : 1));
        else if (p->smoothing > 0) for (int64_t j = 0; j < n; j++) out[j] -= g * (spread * (u ? u[j] : 1));
        if (k >= from && k < from + n) out[k - from] -= g * keep * (p->weight ? p->weight[k] : 1);
        if (p->scale) for (int64_t j = 0; j < n; j++) out[j] *= p->scale[from + j];
        if (p->is_bfloat16)
            for (int64_t j = 0; j < n; j++) ((uint16_t *)p->gradient)[start + from + j] = narrowed(out[j]);
    }
}

static void forward_row(Problem *p, int64_t row, int64_t block) { losses_of_row(p, row, block, 0, 0); }

static void backward_row(Problem *p, int64_t row, int64_t block) {
    (void)block;
    gradient_of_row(p, row, 0, 0);
}

static void both_of_row(Problem *p, int64_t row, int64_t block) {
    float bases[TILE], room[ROOM], *kept = room;
    if (!p->is_bfloat16) kept = (float *)p->gradient + row * p->classes;
    if (p->classes > (p->is_bfloat16 ? ROOM : TILE * TILE)) kept = 0; /* compute the exponentials again */
    losses_of_row(p, row, block, kept, bases);
    gradient_of_row(p, row, kept, bases);
}

typedef struct {
    Problem *problem;
    void (*each)(Problem *, int64_t, int64_t);
} Work;

static void work_on_blocks(void *argument) {
    Work *work = argument;
    Problem *p = work->problem;
    for (int64_t block; (block = __atomic_fetch_add(&p->next, 1, __ATOMIC_RELAXED)) < p->blocks;)
        for (int64_t row = block * p->rows / p->blocks; row < (block + 1) * p->rows / p->blocks; row++)
            work->each(p, row, block);
}

static void run(Problem *p, void (*each)(Problem *, int64_t, int64_t)) {
    Work work = {p, each};
    p->next = 0;
    if (p->threads > 1 && GOMP_parallel) GOMP_parallel(work_on_blocks, &work, p->threads, 0);
    else work_on_blocks(&work);
}

static float weight_of(const Problem *p, int64_t row) {
    if (p->soft || p->index[row] == p->ignored) return p->soft != 0;
    return p->weight ? p->weight[p->index[row]] : 1;
}

/* What each class receives from its samples, in their order; in double where many come together. */
static void receive_from_own(const Problem *p) {
    double *many = p->rows > MANY ? calloc(p->classes, sizeof(double)) : 0;
    for (int64_t row = 0; row < p->rows; row++) {
        if (p->index[row] == p->ignored || !isfinite(p->own_loss[row])) continue;
        float gradient = -expm1f(-p->own_loss[row]);
        if (many) many[p->index[row]] += gradient;
        else p->received[p->index[row]] += gradient;
    }
    if (many) for (int64_t j = 0; j < p->classes; j++) p->received[j] = (float)many[j];
    free(many);
}

/* What the sum is divided by, and whether each index is one of a class. */
static int32_t prepare(Problem *p) {
    double weights = 0;
    for (int64_t row = 0; row < p->rows; row++) {
        int ignored = p->soft || p->index[row] == p->ignored;
        if (!ignored && (p->index[row] < 0 || p->index[row] >= p->classes)) return INDEX_OUT_OF_RANGE;
        weights += weight_of(p, row);
    }
    if (p->divisor < 0) p->divisor = weights;
    return 0;
}

static void reduce(Problem *p) {
    double total = 0;
    p->samples = 0;
    for (int64_t row = 0; row < p->rows; row++) {
        p->samples += isfinite(p->own_loss[row]) && (p->soft || p->index[row] != p->ignored);
        total += p->loss[row];
    }
    if (p->reduced) *p->reduced = (float)(total / p->divisor);
    if (p->received) receive_from_own(p);
}

int32_t forward(Problem *p) {
    int32_t error = prepare(p);
    if (error) return error;
    run(p, p->gradient ? both_of_row : forward_row);
    reduce(p);
    return 0;
}

void backward(Problem *p) { run(p, backward_row); }
