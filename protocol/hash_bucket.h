/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * RFC 3074 load balancing: the hash of a client, and the 256 buckets divided between two servers
 * (draft sections 5.3, 9.8.2, 12.11).
 */
#ifndef FO_PROTOCOL_HASH_BUCKET_H
#define FO_PROTOCOL_HASH_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bucket, 0..255, of a key: the client identifier with its type byte, else the hardware
   address without its type. An empty key has bucket 0. */
uint8_t fo_hash_bucket(const uint8_t *key, size_t length);

/* Fills the secondary's buckets (12.11: a one bit is the secondary's; bucket h is bit h % 8 of
   byte h / 8) where the primary has `primary_percent` (0..100): buckets
   0 .. floor(256 * percent / 100) - 1 are the primary's. */
void fo_hash_buckets_divide(unsigned primary_percent, uint8_t buckets[32]);

bool fo_hash_buckets_contain(const uint8_t buckets[32], uint8_t bucket);

/* How many of the 256 buckets are set. */
unsigned fo_hash_buckets_count(const uint8_t buckets[32]);

#endif
