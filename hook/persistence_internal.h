/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The kinds of entries in stable storage, the first byte of their key. persistence.c writes them and
 * tells what each is, loading.c reads them: the fields of a value in the same order. Whoever changes
 * these makes a new version of the format.
 */
#ifndef FO_HOOK_PERSISTENCE_INTERNAL_H
#define FO_HOOK_PERSISTENCE_INTERNAL_H

#include "hook/service_internal.h"

enum {
    FO_STORE_FORMAT_VERSION = 1,
    FO_STORE_KEY_META = 'M',
    FO_STORE_KEY_ENDPOINT = 'E',
    FO_STORE_KEY_BINDING = 'B',
    FO_STORE_KEY_PAGE = 'P',
    FO_STORE_KEY_SHARES = 'S',
    FO_SHARES_MAX = 30, /* in one value */
};

#endif
