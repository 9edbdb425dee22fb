/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Stable storage: one LMDB file of keys and values. What fo_store_commit says is written survives a
 * power cut; a batch is written whole or not at all. Used by one thread at a time.
 *
 * No lock is taken on the file: the AppArmor profile of Debian's kea-dhcp4 grants none beside the
 * lease file, and one process only uses it.
 */
#ifndef FO_HOOK_STORE_H
#define FO_HOOK_STORE_H

#include "hook/env.h"

enum { FO_STORE_TEXT_MAX = 128 };

struct fo_store;

/* Opens nothing yet. NULL: no memory. */
struct fo_store *fo_store_new(const char *path);
void fo_store_free(struct fo_store *store);

/* Shows all pairs in the order of their keys; makes the file where there is none. Returns 0 or an
   errno: EUCLEAN if the file is damaged or something else, ENOTSUP if of another LMDB format. */
int fo_store_load(struct fo_store *store, fo_store_visitor *visit, void *argument);

/* Writes a batch durably. Returns 0, or an errno with its reason in `text`: nothing of the batch is
   kept, and the next commit tries everything anew, opening the file again. */
int fo_store_commit(struct fo_store *store, const struct fo_store_batch *batch,
                    char text[FO_STORE_TEXT_MAX]);

#endif
