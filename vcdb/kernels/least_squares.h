/* Least squares for a few unknowns: sums over cells, decomposed after Cholesky. */

#ifndef VCDB_LEAST_SQUARES_H
#define VCDB_LEAST_SQUARES_H

#include "kernels.h"

/* The most unknowns there are. */
enum { UNKNOWNS = 6 };

/* A symmetric matrix, of which the lower half is read; then a triangle L whose product with its
   transpose is that matrix. */
typedef struct {
    double at[UNKNOWNS][UNKNOWNS];
} Triangle;

INLINED void decompose(Triangle *sum, int unknowns)
{
    for (int i = 0; i < unknowns; i++)
        for (int j = 0; j <= i; j++) {
            for (int n = 0; n < j; n++)
                sum->at[i][j] -= sum->at[i][n] * sum->at[j][n];
            sum->at[i][j] = i == j ? sqrt(sum->at[i][i]) : sum->at[i][j] / sum->at[j][j];
        }
}

/* The right side becomes the solution. */
INLINED void solve(const Triangle *triangle, int unknowns, double *values)
{
    for (int i = 0; i < unknowns; i++) {
        for (int n = 0; n < i; n++)
            values[i] -= triangle->at[i][n] * values[n];
        values[i] /= triangle->at[i][i];
    }
    for (int i = unknowns - 1; i >= 0; i--) {
        for (int n = i + 1; n < unknowns; n++)
            values[i] -= triangle->at[n][i] * values[n];
        values[i] /= triangle->at[i][i];
    }
}

#endif
