/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What Kea asks of a library before it loads it. The version is that of the headers; Kea takes only
 * its own. Callouts may come from many threads at once: the service locks for itself.
 */
#include "shim/kea_compat.h"

extern "C" {

__attribute__((visibility("default"))) int version();
__attribute__((visibility("default"))) int multi_threading_compatible();

int version()
{
    return KEA_HOOKS_VERSION;
}

int multi_threading_compatible()
{
    return 1;
}
}
