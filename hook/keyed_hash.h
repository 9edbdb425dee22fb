/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * SipHash-2-4 of up to 64 KiB: a hash for tables whose keys a stranger chooses. A client that could
 * tell in advance which identifiers fall into one slot could make every search a long one.
 *
 * Written here since a query computes several of them over a few bytes, and what OpenSSL does
 * around one costs ten times as much as the hash itself.
 */
#ifndef FO_HOOK_KEYED_HASH_H
#define FO_HOOK_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

struct fo_hash_key {
    uint64_t words[2];
};

uint64_t fo_keyed_hash(const struct fo_hash_key *key, const uint8_t *data, size_t length);

#endif
