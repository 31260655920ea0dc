"""Exception reporting and both doors as plain loops in C: what a machine can do, to measure numpy against.

Compiled on the spot with whatever ``cc`` there is.  The shortest path that gives the optimum is here too: in Python it
would take hours.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np

_SOURCE = r"""
#include <math.h>
#include <stdlib.h>

enum { LOOK_AHEAD = 128 };

/* 1 where a scan is reported, by the rule of exception reporting. */
static void mark(long n, const double *v, double exc, unsigned char *marks) {
    double last = v[0];
    marks[0] = 1;
    for (long i = 1; i < n; i++) {
        marks[i] = v[i] > last + exc || v[i] < last - exc;
        if (marks[i]) { marks[i - 1] = 1; last = v[i]; }
    }
}

static long door(long n, const double *t, const double *v, const unsigned char *marks, double exc, double comp,
                 int look_ahead, unsigned char *kept) {
    long count = 1, a = 0, end = 1;
    double low = -INFINITY, high = INFINITY;
    kept[0] = 1;
    for (long i = 1; i < n;) {
        double d = comp + (exc >= 0 && !marks[i] ? exc : 0), dt = t[i] - t[a], s = (v[i] - v[a]) / dt;
        double l = (v[i] - d - v[a]) / dt, h = (v[i] + d - v[a]) / dt;
        int may_end = low <= s && s <= high;
        if (may_end) end = i;
        if (l > low) low = l;
        if (h < high) high = h;
        int shut = look_ahead ? low > high || i - end >= LOOK_AHEAD : end < i;
        if (shut || i == n - 1) {
            kept[end] = 1; count++;
            a = end; i = a + 1; end = i; low = -INFINITY; high = INFINITY;
        } else i++;
    }
    return count;
}

long compress(long lanes, long n, const double *t, const double *v, double exc, double comp, int look_ahead,
              unsigned char *kept) {
    unsigned char *marks = malloc(n);
    long count = 0;
    for (long lane = 0; lane < lanes; lane++) {
        if (exc >= 0) mark(n, v + lane * n, exc, marks);
        count += door(n, t, v + lane * n, marks, exc, comp, look_ahead, kept + lane * n);
    }
    free(marks);
    return count;
}

/* The textbook: a line ends when the sides of the door become parallel. */
long parallel(long n, const double *t, const double *v, double comp) {
    long count = 1, a = 0;
    double low = -INFINITY, high = INFINITY;
    for (long i = 1; i < n; i++) {
        double dt = t[i] - t[a], l = (v[i] - comp - v[a]) / dt, h = (v[i] + comp - v[a]) / dt;
        if (h < high) high = h;
        if (l > low) low = l;
        if (low > high && i - 1 > a) { count++; a = i - 1; low = -INFINITY; high = INFINITY; i--; }
    }
    return count + (a < n - 1);
}

/* The fewest samples at the same bound: the shortest path over all lines that keep it. */
long fewest(long n, const double *t, const double *v, double comp) {
    long *far = malloc(n * sizeof(long));
    for (long i = 0; i < n; i++) far[i] = n;
    far[0] = 1;
    for (long a = 0; a < n; a++) {
        double low = -INFINITY, high = INFINITY;
        for (long i = a + 1; i < n && low <= high; i++) {
            double dt = t[i] - t[a], s = (v[i] - v[a]) / dt;
            double l = (v[i] - comp - v[a]) / dt, h = (v[i] + comp - v[a]) / dt;
            if (low <= s && s <= high && far[i] > far[a] + 1) far[i] = far[a] + 1;
            if (l > low) low = l;
            if (h < high) high = h;
        }
    }
    long count = far[n - 1];
    free(far);
    return count;
}
"""

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


class InC:
    """The loops, compiled into ``folder``.  Times in seconds and values are float64."""

    def __init__(self, folder: Path) -> None:
        source, library = folder / "loops.c", folder / "loops.so"
        source.write_text(_SOURCE, encoding="utf-8")
        subprocess.run([COMPILER, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        self._library = ctypes.CDLL(str(library))
        for name in ("compress", "parallel", "fewest"):
            getattr(self._library, name).restype = ctypes.c_long

    def kept(self, time_s: np.ndarray, value: np.ndarray, *, exc_dev: float | None, comp_dev: float,
             look_ahead: bool = True) -> np.ndarray:  # fmt: skip
        """Bool of the shape of ``value``, float64[lanes, n]."""
        lanes, count = value.shape
        kept = np.zeros(value.shape, np.uint8)
        exc = ctypes.c_double(-1.0 if exc_dev is None else exc_dev)
        self._library.compress(
            ctypes.c_long(lanes), ctypes.c_long(count), *_pointers(time_s, value), exc, ctypes.c_double(comp_dev),
            ctypes.c_int(look_ahead), kept.ctypes.data_as(ctypes.c_void_p),
        )  # fmt: skip
        return kept.view(np.bool_)

    def parallel(self, time_s: np.ndarray, value: np.ndarray, comp_dev: float) -> int:
        """How many samples the textbook's door keeps, which breaks the bound."""
        return self._count("parallel", time_s, value, comp_dev)

    def fewest(self, time_s: np.ndarray, value: np.ndarray, comp_dev: float) -> int:
        """How few samples can keep the bound."""
        return self._count("fewest", time_s, value, comp_dev)

    def _count(self, loop: str, time_s: np.ndarray, value: np.ndarray, comp_dev: float) -> int:
        count, columns = ctypes.c_long(len(value)), _pointers(time_s, value)
        return int(getattr(self._library, loop)(count, *columns, ctypes.c_double(comp_dev)))


def _pointers(*columns: np.ndarray) -> list[ctypes.c_void_p]:
    assert all(column.flags.c_contiguous and column.dtype == np.float64 for column in columns)
    return [column.ctypes.data_as(ctypes.c_void_p) for column in columns]
