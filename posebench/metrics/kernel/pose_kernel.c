/* Alignment of predicted to true poses, LANES poses at a time.
 *
 * What is computed is defined by posebench/metrics/alignment.py. This file computes the same in one pass over memory: each group of
 * LANES poses (a tile) is copied component first into the processor's inner cache, and every step runs over the lanes, so that the
 * compiler turns it into vector instructions. Arithmetic is float64 whatever the input's type.
 *
 * The rotation is the orthogonal factor of the 3 x 3 correlation K. Its trace l = tr(R^T K) is the largest root of the quartic of Horn
 * (1987) and Theobald (2005): for K of unit norm, with C = cof K, q = |C|^2, d = det K, it is (l^2 - 1)^2 = 4 (q + 2 d l). Newton's
 * method finds it; by Cayley-Hamilton R = [l C + K (e + 1 - K^T K)] / D with e = (l^2 - 1) / 2 and D = l e - d. Where D is too small,
 * that lane's K goes through a singular value decomposition (one-sided Jacobi).
 *
 * Only Python's stable interface is used (3.11 and later). The interpreter's lock is released while poses are aligned.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define INLINE static inline __attribute__((always_inline))
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#define INLINE static inline __attribute__((always_inline))
#else
#define INDEPENDENT
#define INLINE static inline
#endif
/* One step for every lane; no lane depends on another. Bodies hold no loops, or compilers would not vectorise. */
#define EACH_LANE INDEPENDENT for (int l = 0; l < LANES; l++)
#define DOT(a, b, c, p, q, r) ((a) * (p) + (b) * (q) + (c) * (r))

/* Constants of posebench/metrics/kernel/blocked.py. */
#define UNSTABLE 1e-4   /* below this share of l^3 the closed form loses digits */
#define PLANAR 1e-9     /* |det| below this share of |P|^3 |G|^3 is a planar pose */
#define EXTENT 1e-20    /* a sum of squares below this share of the centre's is no extent */
#define LARGEST 1e150   /* a sum of squares above this overflows further on */
#define STILL 1e-10     /* a Newton step below this leaves only rounding */
#define MOST_STEPS 48

enum { NONE, SCALE, RIGID, SIMILARITY, REFLECTION, ALIGNMENTS };
enum { FINE, TRUTH_NOT_FINITE, TRUTH_TOO_LARGE, NO_MEMORY };

/* Poses (N, J, 3) as they lie in memory; strides in bytes. */
typedef struct {
    const char *data;
    ptrdiff_t frame, joint, axis;
    int single; /* float32, else float64 */
} Poses;

typedef struct {
    Poses pred, truth;
    ptrdiff_t count, joints;
    double *errors[ALIGNMENTS]; /* each (J, N), or NULL where it is not asked for */
    uint8_t *flipped;           /* (N) */
    double *placed;             /* (3, J, N): the prediction after the alignment `placed_by`, or NULL */
    int placed_by;
    double *transform;          /* (13, N): scale, rotation row by row, translation, or NULL */
    int transform_scales;
} Job;

/* Per-lane 3 x 3 matrices are [row * 3 + column][lane]. */
typedef double Lane[LANES];

/* Copy poses `start` ... `start + lanes` to (3 J, LANES), and add up their joints; lanes beyond are zero. */
INLINE void load(const Poses *poses, ptrdiff_t joints, ptrdiff_t start, int lanes, double *restrict tile, Lane *restrict sum)
{
    const ptrdiff_t size = poses->single ? sizeof(float) : sizeof(double), rows = 3 * joints;
    const char *from = poses->data + start * poses->frame;
    if (lanes < LANES) memset(tile, 0, rows * LANES * sizeof *tile);
    if (poses->axis == size && poses->joint == 3 * size) { /* a pose lies in one piece, as files have it: read it in one piece */
        for (int l = 0; l < lanes; l++, from += poses->frame) {
            if (poses->single) {
                for (ptrdiff_t i = 0; i < rows; i++) {
                    float value;
                    memcpy(&value, from + i * sizeof value, sizeof value);
                    tile[i * LANES + l] = value;
                }
            } else {
                for (ptrdiff_t i = 0; i < rows; i++) memcpy(tile + i * LANES + l, from + i * sizeof *tile, sizeof *tile);
            }
        }
    } else {
        double *to = tile;
        for (ptrdiff_t j = 0; j < joints; j++)
            for (int c = 0; c < 3; c++, to += LANES) {
                const char *first = from + j * poses->joint + c * poses->axis;
                if (poses->single) {
                    for (int l = 0; l < lanes; l++) {
                        float value;
                        memcpy(&value, first + l * poses->frame, sizeof value);
                        to[l] = value;
                    }
                } else if (poses->frame == size) { /* frames lie side by side, as the scorer has them */
                    memcpy(to, first, lanes * sizeof *to);
                } else {
                    for (int l = 0; l < lanes; l++) memcpy(to + l, first + l * poses->frame, sizeof *to);
                }
            }
    }
    for (int c = 0; c < 3; c++) {
        EACH_LANE sum[c][l] = 0.0;
        for (ptrdiff_t j = 0; j < joints; j++) EACH_LANE sum[c][l] += tile[(3 * j + c) * LANES + l];
    }
}

/* Whether every coordinate of a lane's pose is finite. A sum that is finite says so at once; one that is not may have overflowed. */
static int all_finite(const double *tile, ptrdiff_t joints, int lane)
{
    for (ptrdiff_t i = 0; i < 3 * joints; i++)
        if (!isfinite(tile[i * LANES + lane])) return 0;
    return 1;
}

/* A proper rotation R (row by row) that maximises tr(R^T K), and that trace, by one-sided Jacobi rotations of K's columns. */
static void decompose(const double *k, double *r, double *trace)
{
    double a[3][3], v[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}; /* a[i] is column i of K V */
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) a[i][j] = k[3 * j + i];
    for (int sweep = 0; sweep < 60; sweep++) {
        double off = 0.0;
        for (int p = 0; p < 2; p++)
            for (int q = p + 1; q < 3; q++) {
                double pp = 0.0, qq = 0.0, pq = 0.0;
                for (int j = 0; j < 3; j++) {
                    pp += a[p][j] * a[p][j];
                    qq += a[q][j] * a[q][j];
                    pq += a[p][j] * a[q][j];
                }
                if (!(fabs(pq) > 1e-17 * sqrt(pp * qq)) || pq == 0.0) continue;
                off = fmax(off, fabs(pq));
                double zeta = (qq - pp) / (2.0 * pq);
                double t = (zeta >= 0.0 ? 1.0 : -1.0) / (fabs(zeta) + sqrt(1.0 + zeta * zeta));
                double cosine = 1.0 / sqrt(1.0 + t * t), sine = cosine * t;
                for (int j = 0; j < 3; j++) {
                    double one = a[p][j], other = a[q][j];
                    a[p][j] = cosine * one - sine * other;
                    a[q][j] = sine * one + cosine * other;
                    one = v[p][j], other = v[q][j];
                    v[p][j] = cosine * one - sine * other;
                    v[q][j] = sine * one + cosine * other;
                }
            }
        if (off == 0.0) break;
    }
    double s[3];
    int order[3] = {0, 1, 2};
    for (int i = 0; i < 3; i++) s[i] = sqrt(a[i][0] * a[i][0] + a[i][1] * a[i][1] + a[i][2] * a[i][2]);
    for (int i = 0; i < 2; i++)
        for (int j = i + 1; j < 3; j++)
            if (s[order[j]] > s[order[i]]) {
                int swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
    double u[3][3], w[3][3];
    double first = s[order[0]];
    if (!(first > 0.0)) { /* no correlation: any rotation does */
        for (int i = 0; i < 9; i++) r[i] = i % 4 == 0;
        *trace = 0.0;
        return;
    }
    for (int j = 0; j < 3; j++) {
        u[0][j] = a[order[0]][j] / first;
        w[0][j] = v[order[0]][j];
        w[1][j] = v[order[1]][j];
    }
    double second = s[order[1]];
    if (second > 1e-15 * first) {
        for (int j = 0; j < 3; j++) u[1][j] = a[order[1]][j] / second;
    } else { /* rank one: any direction across the first */
        int least = 0;
        for (int j = 1; j < 3; j++)
            if (fabs(u[0][j]) < fabs(u[0][least])) least = j;
        double length = 0.0;
        for (int j = 0; j < 3; j++) {
            u[1][j] = (j == least) - u[0][least] * u[0][j];
            length += u[1][j] * u[1][j];
        }
        for (int j = 0; j < 3; j++) u[1][j] /= sqrt(length);
    }
    for (int j = 0; j < 3; j++) {
        int n = (j + 1) % 3, m = (j + 2) % 3;
        u[2][j] = u[0][n] * u[1][m] - u[0][m] * u[1][n];
        w[2][j] = w[0][n] * w[1][m] - w[0][m] * w[1][n];
    }
    double total = 0.0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            r[3 * i + j] = u[0][i] * w[0][j] + u[1][i] * w[1][j] + u[2][i] * w[2][j];
            total += r[3 * i + j] * k[3 * i + j];
        }
    *trace = total;
}

/* Proper rotations that maximise tr(R^T K), and these traces, for K of unit norm or zero. */
INLINE void rotate(const Lane *restrict k, const Lane *restrict cof, const double *restrict det, Lane *restrict r, double *restrict root)
{
    Lane q, step, divisor;
    EACH_LANE q[l] = 0.0;
    for (int i = 0; i < 9; i++) EACH_LANE q[l] += cof[i][l] * cof[i][l];
    EACH_LANE {
        double twice = 2.0 * det[l];
        double start = sqrt(1.0 + 2.0 * sqrt(q[l]));
        /* One turn of l^2 = 1 + 2 sqrt(q + 2 d l) saves two steps where d > 0; where d < 0 it would leave the largest root's side. */
        root[l] = sqrt(1.0 + 2.0 * sqrt(q[l] + (twice > 0.0 ? twice : 0.0) * start));
        step[l] = INFINITY;
    }
    for (int n = 0; n < MOST_STEPS; n++) {
        int moving = 0;
        EACH_LANE {
            double e = 0.5 * (root[l] * root[l] - 1.0);
            double next = (e * e - q[l] - 2.0 * det[l] * root[l]) / (2.0 * (root[l] * e - det[l]));
            /* A lane that stands still keeps its root, so that its bits do not depend on the other lanes. */
            step[l] = fabs(step[l]) <= STILL ? 0.0 : next;
            root[l] -= step[l];
            moving |= fabs(step[l]) > STILL;
        }
        if (!moving) break;
    }
    EACH_LANE {
        double e = 0.5 * (root[l] * root[l] - 1.0), d = root[l] * e - det[l], over = 1.0 / d, t = root[l] * over;
        double a = k[0][l], b = k[1][l], c = k[2][l], f = k[3][l], g = k[4][l], h = k[5][l], m = k[6][l], n = k[7][l], o = k[8][l];
        /* (e + 1 - K^T K) / D, which is symmetric. */
        double aa = (e + 1.0 - DOT(a, f, m, a, f, m)) * over, bb = (e + 1.0 - DOT(b, g, n, b, g, n)) * over;
        double cc = (e + 1.0 - DOT(c, h, o, c, h, o)) * over;
        double ab = -DOT(a, f, m, b, g, n) * over, ac = -DOT(a, f, m, c, h, o) * over, bc = -DOT(b, g, n, c, h, o) * over;
        r[0][l] = t * cof[0][l] + DOT(a, b, c, aa, ab, ac);
        r[1][l] = t * cof[1][l] + DOT(a, b, c, ab, bb, bc);
        r[2][l] = t * cof[2][l] + DOT(a, b, c, ac, bc, cc);
        r[3][l] = t * cof[3][l] + DOT(f, g, h, aa, ab, ac);
        r[4][l] = t * cof[4][l] + DOT(f, g, h, ab, bb, bc);
        r[5][l] = t * cof[5][l] + DOT(f, g, h, ac, bc, cc);
        r[6][l] = t * cof[6][l] + DOT(m, n, o, aa, ab, ac);
        r[7][l] = t * cof[7][l] + DOT(m, n, o, ab, bb, bc);
        r[8][l] = t * cof[8][l] + DOT(m, n, o, ac, bc, cc);
        divisor[l] = d;
    }
    int lost = 0;
    EACH_LANE lost |= !(fabs(step[l]) <= STILL && divisor[l] > UNSTABLE * root[l] * root[l] * root[l]);
    for (int l = 0; lost && l < LANES; l++) {
        if (fabs(step[l]) <= STILL && divisor[l] > UNSTABLE * root[l] * root[l] * root[l]) continue;
        double one[9], found[9], trace;
        for (int i = 0; i < 9; i++) one[i] = k[i][l];
        decompose(one, found, &trace);
        for (int i = 0; i < 9; i++) r[i][l] = found[i];
        root[l] = trace;
    }
}

/* |M y - x| of every joint into a column of `out` (J, N); y and x are (3 J, LANES). */
INLINE void store_errors(const Lane *restrict m, const double *restrict y, const double *restrict x, ptrdiff_t joints, int lanes,
                         double *restrict out, ptrdiff_t count)
{
    for (ptrdiff_t j = 0; j < joints; j++, y += 3 * LANES, x += 3 * LANES, out += count) {
        Lane error;
        EACH_LANE {
            double a = y[l], b = y[LANES + l], c = y[2 * LANES + l];
            double p = m[0][l] * a + m[1][l] * b + m[2][l] * c - x[l];
            double q = m[3][l] * a + m[4][l] * b + m[5][l] * c - x[LANES + l];
            double r = m[6][l] * a + m[7][l] * b + m[8][l] * c - x[2 * LANES + l];
            error[l] = sqrt(p * p + q * q + r * r);
        }
        if (lanes == LANES) memcpy(out, error, sizeof error);
        else memcpy(out, error, lanes * sizeof *error);
    }
}

/* Align the poses `start` ... `start + lanes`; `x` and `y` are room for 3 J LANES numbers each. */
INLINE int align_tile(const Job *job, ptrdiff_t start, int lanes, double *restrict x, double *restrict y)
{
    const ptrdiff_t joints = job->joints, count = job->count;
    Lane x_mean[3], y_mean[3];
    load(&job->truth, joints, start, lanes, x, x_mean);
    load(&job->pred, joints, start, lanes, y, y_mean);
    int doubtful = 0;
    for (int c = 0; c < 3; c++) EACH_LANE doubtful |= !(fabs(x_mean[c][l]) < INFINITY) | !(fabs(y_mean[c][l]) < INFINITY);
    for (int l = 0; doubtful && l < lanes; l++) {
        if (!all_finite(x, joints, l)) return TRUTH_NOT_FINITE;
        if (all_finite(y, joints, l)) continue;
        for (ptrdiff_t i = 0; i < 3 * joints; i++) y[i * LANES + l] = 0.0;
        for (int c = 0; c < 3; c++) y_mean[c][l] = 0.0;
    }

    const int placed_by = job->placed ? job->placed_by : ALIGNMENTS;
    Lane m[9]; /* the matrix of the alignment at hand */
    if (job->errors[NONE]) {
        for (int i = 0; i < 9; i++) EACH_LANE m[i][l] = i % 4 == 0;
        store_errors(m, y, x, joints, lanes, job->errors[NONE] + start, count);
    }
    if (job->errors[SCALE] || placed_by == SCALE) {
        Lane xy, yy;
        EACH_LANE xy[l] = yy[l] = 0.0;
        for (ptrdiff_t i = 0; i < 3 * joints; i++)
            EACH_LANE {
                xy[l] += x[i * LANES + l] * y[i * LANES + l];
                yy[l] += y[i * LANES + l] * y[i * LANES + l];
            }
        for (int i = 0; i < 9; i++) EACH_LANE m[i][l] = i % 4 == 0 ? xy[l] / (yy[l] > 0.0 ? yy[l] : 1.0) : 0.0;
        if (job->errors[SCALE]) store_errors(m, y, x, joints, lanes, job->errors[SCALE] + start, count);
    }
    if (placed_by == NONE || placed_by == SCALE) {
        for (int c = 0; c < 3; c++)
            for (ptrdiff_t j = 0; j < joints; j++)
                for (int l = 0; l < lanes; l++) {
                    double value = y[(3 * j + c) * LANES + l];
                    job->placed[(c * joints + j) * count + start + l] = placed_by == SCALE ? m[0][l] * value : value;
                }
    }

    /* Centre. */
    Lane x_size, y_size;
    for (int c = 0; c < 3; c++)
        EACH_LANE {
            x_mean[c][l] /= joints;
            y_mean[c][l] /= joints;
        }
    EACH_LANE x_size[l] = y_size[l] = 0.0;
    Lane k[9];
    for (int i = 0; i < 9; i++) EACH_LANE k[i][l] = 0.0;
    for (ptrdiff_t j = 0; j < joints; j++)
        EACH_LANE {
            double *xs = x + 3 * j * LANES + l, *ys = y + 3 * j * LANES + l;
            double x0 = xs[0] - x_mean[0][l], x1 = xs[LANES] - x_mean[1][l], x2 = xs[2 * LANES] - x_mean[2][l];
            double y0 = ys[0] - y_mean[0][l], y1 = ys[LANES] - y_mean[1][l], y2 = ys[2 * LANES] - y_mean[2][l];
            xs[0] = x0, xs[LANES] = x1, xs[2 * LANES] = x2;
            ys[0] = y0, ys[LANES] = y1, ys[2 * LANES] = y2;
            x_size[l] += x0 * x0 + x1 * x1 + x2 * x2;
            y_size[l] += y0 * y0 + y1 * y1 + y2 * y2;
            k[0][l] += x0 * y0, k[1][l] += x0 * y1, k[2][l] += x0 * y2;
            k[3][l] += x1 * y0, k[4][l] += x1 * y1, k[5][l] += x1 * y2;
            k[6][l] += x2 * y0, k[7][l] += x2 * y1, k[8][l] += x2 * y2;
        }
    Lane keep; /* 0 for a prediction without extent, or of no sensible size */
    int any_collapsed = 0;
    EACH_LANE {
        double centre = y_mean[0][l] * y_mean[0][l] + y_mean[1][l] * y_mean[1][l] + y_mean[2][l] * y_mean[2][l];
        keep[l] = y_size[l] > EXTENT * joints * centre && y_size[l] < LARGEST;
        any_collapsed |= keep[l] == 0.0;
    }
    if (any_collapsed) {
        for (ptrdiff_t i = 0; i < 3 * joints; i++) EACH_LANE y[i * LANES + l] = keep[l] == 0.0 ? 0.0 : y[i * LANES + l];
        for (int i = 0; i < 9; i++) EACH_LANE k[i][l] = keep[l] == 0.0 ? 0.0 : k[i][l];
        EACH_LANE y_size[l] = keep[l] == 0.0 ? 0.0 : y_size[l];
    }
    Lane norm, cof[9], det;
    EACH_LANE norm[l] = 0.0;
    for (int i = 0; i < 9; i++) EACH_LANE norm[l] += k[i][l] * k[i][l];
    EACH_LANE norm[l] = sqrt(norm[l]);
    for (int i = 0; i < 9; i++) EACH_LANE k[i][l] /= norm[l] > 0.0 ? norm[l] : 1.0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) { /* rows and columns continued cyclically: a cofactor is the same expression everywhere */
            const double *p = k[(i + 1) % 3 * 3 + (j + 1) % 3], *q = k[(i + 2) % 3 * 3 + (j + 2) % 3];
            const double *r = k[(i + 1) % 3 * 3 + (j + 2) % 3], *s = k[(i + 2) % 3 * 3 + (j + 1) % 3];
            EACH_LANE cof[3 * i + j][l] = p[l] * q[l] - r[l] * s[l];
        }
    EACH_LANE det[l] = DOT(k[0][l], k[1][l], k[2][l], cof[0][l], cof[1][l], cof[2][l]);
    int too_large = 0;
    EACH_LANE too_large |= !(norm[l] < INFINITY);
    if (too_large) return TRUTH_TOO_LARGE;
    if (job->flipped)
        for (int l = 0; l < lanes; l++) {
            double size = x_size[l] * y_size[l];
            job->flipped[start + l] = det[l] < 0.0 && -det[l] * norm[l] * norm[l] * norm[l] > PLANAR * size * sqrt(size);
        }
    if (!(job->errors[RIGID] || job->errors[SIMILARITY] || job->errors[REFLECTION] || placed_by >= RIGID || job->transform)) return FINE;
    if (placed_by < RIGID && !(job->errors[RIGID] || job->errors[SIMILARITY] || job->errors[REFLECTION] || job->transform)) return FINE;

    Lane r[9], trace, scale;
    rotate(k, cof, det, r, trace);
    EACH_LANE scale[l] = trace[l] * norm[l] / (y_size[l] > 0.0 ? y_size[l] : 1.0);
    if (job->errors[RIGID]) store_errors(r, y, x, joints, lanes, job->errors[RIGID] + start, count);
    for (int i = 0; i < 9; i++) EACH_LANE m[i][l] = scale[l] * r[i][l];
    if (job->errors[SIMILARITY]) store_errors(m, y, x, joints, lanes, job->errors[SIMILARITY] + start, count);
    if (job->transform)
        for (int l = 0; l < lanes; l++) {
            double *out = job->transform + start + l, factor = job->transform_scales ? scale[l] : 1.0;
            out[0] = factor;
            for (int i = 0; i < 9; i++) out[(1 + i) * count] = r[i][l];
            for (int i = 0; i < 3; i++)
                out[(10 + i) * count] = x_mean[i][l] - factor * (r[3 * i][l] * y_mean[0][l] + r[3 * i + 1][l] * y_mean[1][l] + r[3 * i + 2][l] * y_mean[2][l]);
        }
    if (job->errors[REFLECTION] || placed_by == REFLECTION) {
        int mirrored = 0;
        EACH_LANE mirrored |= det[l] < 0.0;
        if (mirrored) { /* the best proper rotation of -y; cof(-K) = cof K */
            Lane other[9], sign, other_det, turned[9], other_trace;
            EACH_LANE {
                sign[l] = det[l] < 0.0 ? -1.0 : 1.0;
                other_det[l] = sign[l] * det[l];
            }
            for (int i = 0; i < 9; i++) EACH_LANE other[i][l] = sign[l] * k[i][l];
            rotate(other, cof, other_det, turned, other_trace);
            for (int i = 0; i < 9; i++)
                EACH_LANE {
                    double best = -other_trace[l] * norm[l] / (y_size[l] > 0.0 ? y_size[l] : 1.0) * turned[i][l];
                    m[i][l] = det[l] < 0.0 ? best : m[i][l];
                }
        }
        if (job->errors[REFLECTION]) store_errors(m, y, x, joints, lanes, job->errors[REFLECTION] + start, count);
    }
    if (placed_by >= RIGID && placed_by < ALIGNMENTS) {
        const Lane *by = placed_by == RIGID ? r : m;
        for (int c = 0; c < 3; c++)
            for (ptrdiff_t j = 0; j < joints; j++) {
                const double *ys = y + 3 * j * LANES;
                double *out = job->placed + (c * joints + j) * count + start;
                for (int l = 0; l < lanes; l++)
                    out[l] = by[3 * c][l] * ys[l] + by[3 * c + 1][l] * ys[LANES + l] + by[3 * c + 2][l] * ys[2 * LANES + l] + x_mean[c][l];
            }
    }
    return FINE;
}

INLINE int align_all(const Job *job)
{
    size_t size = 3 * (size_t)job->joints * LANES;
    /* Rows on cache lines: malloc gives 16 bytes, vectors want 64. */
    char *memory = malloc(2 * size * sizeof(double) + 64);
    if (!memory) return NO_MEMORY;
    double *x = (double *)(((uintptr_t)memory + 63) / 64 * 64), *y = x + size;
    int status = FINE;
    for (ptrdiff_t start = 0; start < job->count && status == FINE; start += LANES) {
        ptrdiff_t left = job->count - start;
        /* Two calls, so that the compiler knows the count of a whole tile. */
        status = left < LANES ? align_tile(job, start, (int)left, x, y) : align_tile(job, start, LANES, x, y);
    }
    free(memory);
    return status;
}

static int align_plain(const Job *job) { return align_all(job); }

#if defined(__GNUC__) && defined(__x86_64__)
#define DISPATCHED 1
__attribute__((target("avx2,fma"))) static int align_avx2(const Job *job) { return align_all(job); }
__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))) static int align_avx512(const Job *job) { return align_all(job); }
#else
#define DISPATCHED 0
#endif

typedef int (*Aligner)(const Job *);
static Aligner aligner = align_plain;
static const char *instructions = "";

/* Choose the code for an instruction set, the best one there is with "". Returns 0 where this processor or build lacks it. */
static int choose(const char *wanted)
{
#if DISPATCHED
    __builtin_cpu_init();
    int best = wanted[0] == 0;
    if ((best || !strcmp(wanted, "avx512")) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) {
        aligner = align_avx512;
        instructions = "avx512";
        return 1;
    }
    if ((best || !strcmp(wanted, "avx2")) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        aligner = align_avx2;
        instructions = "avx2";
        return 1;
    }
#endif
    if (wanted[0] == 0 || !strcmp(wanted, "plain")) {
        aligner = align_plain;
        instructions = "plain";
        return 1;
    }
    return 0;
}

/* A view of poses (N, J, 3) of float32 or float64 with any strides; 0 and a Python error where it is something else. */
static int view_poses(PyObject *object, Py_buffer *view, Poses *poses)
{
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) return 0;
    const char *format = view->format ? view->format : "B";
    if (*format == '<' || *format == '=' || *format == '@') format++;
    int single = !strcmp(format, "f") && view->itemsize == 4, twice = !strcmp(format, "d") && view->itemsize == 8;
    if (view->ndim != 3 || view->shape[2] != 3 || view->shape[1] < 1 || view->shape[1] > 1000000 || !(single || twice)) {
        PyErr_SetString(PyExc_ValueError, "poses must be arrays (N, J, 3) of float32 or float64");
        PyBuffer_Release(view);
        return 0;
    }
    *poses = (Poses){view->buf, view->strides[0], view->strides[1], view->strides[2], single};
    return 1;
}

/* A writable contiguous view of `bytes` bytes; 0 and a Python error where it is something else. */
static int view_output(PyObject *object, Py_buffer *view, Py_ssize_t itemsize, Py_ssize_t bytes)
{
    if (PyObject_GetBuffer(object, view, PyBUF_CONTIG) < 0) return 0;
    if (view->itemsize != itemsize || view->len != bytes) {
        PyErr_SetString(PyExc_ValueError, "an output array has another size or type");
        PyBuffer_Release(view);
        return 0;
    }
    return 1;
}

PyDoc_STRVAR(align_doc, "align(pred, truth, errors, flipped, placed, placed_by, transform, transform_scales)\n--\n\n"
    "Align poses (N, J, 3). `errors` is a tuple of five arrays (J, N) or None, in the order none, scale, rigid, similarity,\n"
    "similarity+reflection; `flipped` (N,) uint8, `placed` (3, J, N) and `transform` (13, N) may be None. Arrays are float64, C order.\n"
    "Raises ValueError where a true pose is not finite or a shape does not fit.");

static PyObject *py_align(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pred, *truth, *errors, *flipped, *placed, *transform, *result = NULL;
    Job job = {0};
    if (!PyArg_ParseTuple(args, "OOO!OOiOp", &pred, &truth, &PyTuple_Type, &errors, &flipped, &placed, &job.placed_by, &transform,
                          &job.transform_scales))
        return NULL;
    Py_buffer inputs[2], outputs[ALIGNMENTS + 3];
    int held = 0, outs = 0;
    if (!view_poses(pred, &inputs[0], &job.pred)) return NULL;
    held = 1;
    if (!view_poses(truth, &inputs[1], &job.truth)) goto done;
    held = 2;
    job.count = inputs[0].shape[0];
    job.joints = inputs[0].shape[1];
    if (inputs[1].shape[0] != job.count || inputs[1].shape[1] != job.joints || PyTuple_Size(errors) != ALIGNMENTS || job.placed_by < 0
        || job.placed_by >= ALIGNMENTS) {
        PyErr_SetString(PyExc_ValueError, "predicted and true poses must have one shape, and outputs must fit it");
        goto done;
    }
    for (int i = 0; i < ALIGNMENTS; i++) {
        PyObject *each = PyTuple_GetItem(errors, i);
        if (each == Py_None) continue;
        if (!view_output(each, &outputs[outs], 8, 8 * job.count * job.joints)) goto done;
        job.errors[i] = outputs[outs++].buf;
    }
    if (flipped != Py_None) {
        if (!view_output(flipped, &outputs[outs], 1, job.count)) goto done;
        job.flipped = outputs[outs++].buf;
    }
    if (placed != Py_None) {
        if (!view_output(placed, &outputs[outs], 8, 24 * job.count * job.joints)) goto done;
        job.placed = outputs[outs++].buf;
    }
    if (transform != Py_None) {
        if (!view_output(transform, &outputs[outs], 8, 8 * 13 * job.count)) goto done;
        job.transform = outputs[outs++].buf;
    }
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = aligner(&job);
    Py_END_ALLOW_THREADS
    if (status == NO_MEMORY) PyErr_NoMemory();
    else if (status == TRUTH_NOT_FINITE) PyErr_SetString(PyExc_ValueError, "a true pose is not finite");
    else if (status == TRUTH_TOO_LARGE) PyErr_SetString(PyExc_ValueError, "a true pose is not finite when squared");
    else {
        Py_INCREF(Py_None);
        result = Py_None;
    }
done:
    for (int i = 0; i < outs; i++) PyBuffer_Release(&outputs[i]);
    for (int i = 0; i < held; i++) PyBuffer_Release(&inputs[i]);
    return result;
}

PyDoc_STRVAR(choose_doc, "choose(instructions)\n--\n\nUse the code for `avx512`, `avx2` or `plain`, or the best one there is for an empty string.\n"
    "Returns the name of what is used. Raises ValueError where this processor or build lacks it.");

static PyObject *py_choose(PyObject *module, PyObject *args)
{
    (void)module;
    const char *wanted;
    if (!PyArg_ParseTuple(args, "s", &wanted)) return NULL;
    if (!choose(wanted)) return PyErr_Format(PyExc_ValueError, "no code for %s on this processor", wanted);
    return PyUnicode_FromString(instructions);
}

static PyMethodDef methods[] = {
    {"align", py_align, METH_VARARGS, align_doc},
    {"choose", py_choose, METH_VARARGS, choose_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "pose_kernel", "Alignment of poses in C.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_pose_kernel(void)
{
    choose("");
    return PyModule_Create(&definition);
}
