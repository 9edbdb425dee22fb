/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Preloaded into a Kea that runs with AddressSanitizer: a constructor before all others (-z
 * initfirst), in which the sanitizer begins.
 *
 * It begins in the first malloc. Without this, that is one of glibc's newlocale(), which holds the
 * lock of the locales, in the constructor of libp11-kit (Kea has it by way of its databases). The
 * sanitizer calls dlerror() then, which takes and gives back that very lock for a translation; the
 * lock is given back twice and broken, and freelocale() waits for it forever when the process ends.
 */
#include <stdlib.h>

static void *volatile first;

__attribute__((constructor)) static void begin(void)
{
    first = malloc(1);
    free(first);
}
