/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* What the three files of the binding table share with each other, and with nobody else. */
#ifndef FO_HOOK_BINDING_TABLE_INTERNAL_H
#define FO_HOOK_BINDING_TABLE_INTERNAL_H

#include "hook/binding_table.h"

uint64_t fo_address_hash(uint32_t address);
bool fo_client_same(const struct fo_client *a, const struct fo_client *b);

/* Adds an address's share (sign +1) to free_count or backup_count, or takes it out (-1). */
void fo_pool_count(struct fo_pool *pool, uint32_t bit, int sign);
void fo_pool_free(struct fo_table *table, struct fo_pool *pool);

void fo_holds_init(struct fo_table *table);
void fo_holds_free(struct fo_table *table);

#endif
