/* Random numbers for each logit: number i of a draw is a function of the key and of i alone.

   The bits are those of Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). Counters
   are taken in tiles whose four words lie one after the other, so that loops over a tile become vector instructions.
*/
#include <stdint.h>
#include <string.h>

#define LANES 256
#define NUMBERS (4 * LANES) /* of a tile */
#define ROUNDS 10

/* As in cross_entropy.c. */
#define LOOP __attribute__((noinline)) static

/* The four words of the counters `first`, `first` + 1, …, each word in a run of LANES. */
LOOP void philox(uint64_t key, uint64_t first, uint32_t *restrict words) {
    uint32_t *a = words, *b = words + LANES, *c = words + 2 * LANES, *d = words + 3 * LANES;
    uint32_t low_key = (uint32_t)key, high_key = (uint32_t)(key >> 32);
    for (int i = 0; i < LANES; i++) {
        a[i] = (uint32_t)(first + i);
        b[i] = (uint32_t)((first + i) >> 32);
        c[i] = d[i] = 0;
    }
    for (int round = 0; round < ROUNDS; round++, low_key += 0x9E3779B9u, high_key += 0xBB67AE85u) {
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            uint64_t left = (uint64_t)a[i] * 0xD2511F53u, right = (uint64_t)c[i] * 0xCD9E8D57u;
            a[i] = (uint32_t)(right >> 32) ^ b[i] ^ low_key;
            c[i] = (uint32_t)(left >> 32) ^ d[i] ^ high_key;
            b[i] = (uint32_t)right;
            d[i] = (uint32_t)left;
        }
    }
}

/* log x for normal x > 0 (Cephes' logf), with a relative error below 2e-7. */
static inline float logarithm(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t shifted = bits - 0x3f3504f3; /* so that the mantissa lies in [sqrt(1/2), sqrt(2)) */
    float exponent = (float)((int32_t)shifted >> 23);
    bits = (shifted & 0x007fffff) + 0x3f3504f3;
    memcpy(&x, &bits, 4);
    float f = x - 1.0f, square = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    p = p * f * square - 2.12194440e-4f * exponent - 0.5f * square;
    return f + p + 0.693359375f * exponent;
}

#define LAST 0.9973002f /* P(|normal| < 3) */

/* sqrt(2) erfinv(u) = u P(-log(1 - u^2)): the value below which |normal| lies with probability u, at most 3. */
static inline float half_normal(uint32_t word) {
    float u = (float)(word >> 8) * 0x1p-24f;
    u = u < LAST ? u : LAST;
    float w = -logarithm((1.0f - u) * (1.0f + u));
    float p = 2.88566125e-8f; /* fitted in float64 for w from 0 to that of LAST; relative error 1.3e-7 */
    p = p * w - 1.06817451e-7f;
    p = p * w - 8.04108186e-6f;
    p = p * w + 1.03329881e-4f;
    p = p * w - 2.49554066e-4f;
    p = p * w - 3.23497876e-3f;
    p = p * w + 1.63009767e-2f;
    p = p * w + 3.28122674e-1f;
    p = p * w + 1.25331397f;
    float x = u * p;
    return x < 3.0f ? x : 3.0f;
}

LOOP void below(const uint32_t *restrict words, uint32_t limit, uint8_t *restrict out) {
    for (int i = 0; i < NUMBERS; i++) out[i] = words[i] <= limit;
}

LOOP void half_normals_of(const uint32_t *restrict words, float deviation, float *restrict out) {
    for (int i = 0; i < NUMBERS; i++) out[i] = deviation * half_normal(words[i]);
}

#define EACH_TILE(count) \
    for (int64_t from = 0, n; n = (count) - from < NUMBERS ? (count) - from : NUMBERS, from < (count); from += NUMBERS)

/* The words themselves. */
void random_words(uint64_t key, int64_t count, uint32_t *out) {
    uint32_t words[NUMBERS];
    EACH_TILE(count) {
        philox(key, (uint64_t)from / 4, words);
        memcpy(out + from, words, n * sizeof(uint32_t));
    }
}

/* 1 with probability (limit + 1) / 2^32, else 0. */
void random_mask(uint64_t key, int64_t count, uint32_t limit, uint8_t *out) {
    uint32_t words[NUMBERS];
    uint8_t last[NUMBERS];
    EACH_TILE(count) {
        philox(key, (uint64_t)from / 4, words);
        below(words, limit, n == NUMBERS ? out + from : last);
        if (n < NUMBERS) memcpy(out + from, last, n);
    }
}

/* Absolute values of normal numbers with mean 0, at most 3 standard deviations. */
void random_half_normals(uint64_t key, int64_t count, float deviation, float *out) {
    uint32_t words[NUMBERS];
    float last[NUMBERS];
    EACH_TILE(count) {
        philox(key, (uint64_t)from / 4, words);
        half_normals_of(words, deviation, n == NUMBERS ? out + from : last);
        if (n < NUMBERS) memcpy(out + from, last, n * sizeof(float));
    }
}
