"""A libnvidia-ml.so.1 of two cards, compiled here, for what can only be seen with a driver."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

# Card i is 40 + 20 i percent busy, has (i + 1) GB in use and takes 1.5 (i + 1) J between two questions.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
enum { NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15 };
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned gpu, memory; } utilization;
static unsigned long long spent[2];
static int asked;
static long number(const char *name) { const char *text = getenv(name); return text ? atol(text) : -1; }
static long card(void *handle) { return (long)handle - 1; }

int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int result) { return "an error"; }
int nvmlSystemGetDriverVersion(char *version, unsigned length) { strncpy(version, "550.54.15", length); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if (index > 1) return NOT_FOUND;
    *handle = (void *)(long)(index + 1);
    return 0;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    if (strcmp(uuid, "GPU-one")) return NOT_FOUND;
    *handle = (void *)2L;
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *handle, utilization *found) {
    if (number("HANG") > 0) sleep(600);
    if (number("LOST_AFTER") >= 0 && asked++ >= number("LOST_AFTER")) return GPU_IS_LOST;
    found->gpu = 40 + 20 * card(handle);
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(void *handle, memory_v2 *found) {
    found->used = (card(handle) + 1) * 1000000000ULL;
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
    if (number("NO_ENERGY") > 0) return NOT_SUPPORTED;
    *millijoules = spent[card(handle)] += 1500 * (card(handle) + 1);
    return 0;
}
"""


def make_library(folder: Path) -> dict[str, str]:
    """The environment in which programs find the library, compiled into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nvml.c").write_text(SOURCE)
    target = folder / "libnvidia-ml.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(target), str(folder / "nvml.c")], check=True)
    return {**os.environ, "LD_LIBRARY_PATH": str(folder)}
