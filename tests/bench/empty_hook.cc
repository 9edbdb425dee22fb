/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A hook library that does nothing, at the six points where ours does something: what Kea itself
 * takes for having any library there. No library can cost less than this one; exchange.py measures
 * it beside ours.
 */
#include "shim/kea_compat.h"

#include <hooks/hooks.h>

using isc::hooks::CalloutHandle;

extern "C" {

__attribute__((visibility("default"))) int version();
__attribute__((visibility("default"))) int multi_threading_compatible();
__attribute__((visibility("default"))) int load(isc::hooks::LibraryHandle &handle);

int version()
{
    return KEA_HOOKS_VERSION;
}

int multi_threading_compatible()
{
    return 1;
}

int load(isc::hooks::LibraryHandle &handle)
{
    const auto nothing = [](CalloutHandle &) { return 0; };
    for (const char *point : {"subnet4_select", "lease4_select", "lease4_renew", "lease4_release",
                              "lease4_decline", "pkt4_send"}) {
        handle.registerCallout(point, nothing);
    }
    return 0;
}

} // extern "C"
